import type { Socket } from 'node:net'

/** What every HTTP/2 client says first (RFC 9113, 3.4). No HTTP/1.1 request can begin like it. */
export const HTTP2_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export type Protocol = 'http/2' | 'http/1.1'

/** Undefined while the bytes, a non-empty beginning of what the client says, allow both. */
export function judgeProtocol(start: Buffer): Protocol | undefined {
  const compared = Math.min(start.length, HTTP2_PREFACE.length)
  if (HTTP2_PREFACE.compare(start, 0, compared, 0, compared) !== 0) return 'http/1.1'
  return compared === HTTP2_PREFACE.length ? 'http/2' : undefined
}

/**
 * Calls `decided` once with the protocol that the client speaks. The socket is paused then, with what was read put
 * back, so that node:http2 and node:http take it over as if they had accepted it, native reads included.
 */
export function sniffProtocol(socket: Socket, decided: (protocol: Protocol) => void): void {
  let start: Buffer | undefined
  const onData = (chunk: Buffer): void => {
    start = start === undefined ? chunk : Buffer.concat([start, chunk])
    const protocol = judgeProtocol(start)
    if (protocol === undefined) return
    socket.removeListener('data', onData)
    socket.pause()
    socket.unshift(start)
    decided(protocol)
  }
  socket.on('data', onData)
}
