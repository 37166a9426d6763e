/** HTTP/2 as plain as can be, for calls that nobody makes: RFC 9113 for frames, RFC 7541 for headers. */

const FRAME_HEAD_BYTES = 9
const DATA = 0
const HEADERS = 1
const SETTINGS = 4
const PING = 6
const GOAWAY = 7
const WINDOW_UPDATE = 8
const ACK = 0x01
const END_STREAM = 0x01
const END_HEADERS = 0x04

/** What a client says first: the preface, and no settings of its own. */
export const HELLO_OF_A_CLIENT: Buffer = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
  frame(SETTINGS, 0, 0, Buffer.alloc(0)),
])

/** What it says once it knows the settings of the service. */
export const SETTLED_CLIENT: Buffer = frame(SETTINGS, ACK, 0, Buffer.alloc(0))

/** What a client with Go's gRPC says when an answer comes: that there is room again, and how long is the way? */
export const ANSWERED_CLIENT: Buffer = Buffer.concat([
  frame(WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 0, 1)),
  frame(PING, 0, 0, Buffer.alloc(8)),
])

/** The farewell of a client with Go's gRPC, which names the last of all streams. */
export const FAREWELL_OF_A_CLIENT: Buffer = frame(GOAWAY, 0, 0, Buffer.of(0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0))

/**
 * A call on a stream of its own, with a deadline where nodes set one. Each field is a value or several; its place in the
 * list is its number.
 */
export function encodeCall(
  stream: number,
  method: string,
  clientAddress: string,
  fields: readonly (string | Buffer | readonly Buffer[])[],
): Buffer {
  const headers = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': `/sidero.discovery.server.Cluster/${method}`,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    'user-agent': 'warm-up',
    te: 'trailers',
    ...(method !== 'Watch' && { 'grpc-timeout': '59999999u' }),
    'x-real-ip': clientAddress,
  }
  const message = Buffer.concat(
    fields.flatMap((value, index) =>
      (Array.isArray(value) ? value : [value]).map((one: string | Buffer) =>
        encodeField(index + 1, Buffer.from(one)),
      ),
    ),
  )
  const head = Buffer.alloc(5)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, stream, Buffer.concat(Object.entries(headers).map(encodeHeader))),
    frame(DATA, END_STREAM, stream, Buffer.concat([head, message])),
  ])
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEAD_BYTES)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A literal that is not to be remembered, both texts shorter than 127 bytes. */
const encodeHeader = ([name, value]: [string, string]): Buffer =>
  Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)])

/** Length-delimited, less than 16 KiB. */
function encodeField(number: number, value: Buffer): Buffer {
  const { length } = value
  const varint = length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7]
  return Buffer.concat([Buffer.of((number << 3) | 2, ...varint), value])
}
