import type { ServerHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { framed } from '../support/raw-call.ts'
import type { Answer } from './orders.ts'

/** gRPC made of HTTP/2 itself, for answers that a proper server would never give. */

const OK = 0
const UNAVAILABLE = 14
const FAREWELLS = 1000
const MANY_TRAILERS = 500
const BYTE_EVERY_MS = 5

/** The one message of a call, as everybody but a Watch sends it. @throws when the call breaks off. */
export async function messageOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).subarray(5)
}

export function compressedFrame(message: Uint8Array): Buffer {
  const frame = framed(gzipSync(message, { level: 9 }))
  frame[0] = 1
  return frame
}

/** Headers, and trailers as soon as somebody ends the stream. */
export function begin(stream: ServerHttp2Stream, { compresses = false, trailers = {} } = {}): void {
  if (stream.destroyed || stream.headersSent) return
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': OK, ...trailers }))
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      ...(compresses && { 'grpc-encoding': 'gzip' }),
    },
    { waitForTrailers: true },
  )
}

/** Answers in that way; `proper` is the frame that would be right. Resolves when nothing more will be sent. */
export async function answer(stream: ServerHttp2Stream, how: Answer, proper: Buffer): Promise<void> {
  if (typeof how === 'object') return refuse(stream, how)
  switch (how) {
    case 'properly':
      begin(stream)
      stream.end(proper)
      return
    case 'never':
      return
    case 'one byte at a time':
      begin(stream)
      for (const byte of proper) {
        if (stream.destroyed) return
        stream.write(Buffer.of(byte))
        await sleep(BYTE_EVERY_MS)
      }
      stream.end()
      return
    case 'by half':
      begin(stream)
      stream.write(proper.subarray(0, 3), () => stream.session?.destroy())
      return
    case 'with junk':
      begin(stream)
      stream.end(framed(Buffer.alloc(64, 0xff)))
      return
    case 'with farewells':
      for (let count = 0; count < FAREWELLS && stream.session?.destroyed === false; count += 1)
        stream.session.goaway(0, 2 ** 31 - 1)
      return
    case 'with many trailers': {
      const many = Array.from({ length: MANY_TRAILERS }, (_, n) => [`x-${n}`, 'of no use'.repeat(3)])
      begin(stream, { trailers: { ...Object.fromEntries(many), 'grpc-status': UNAVAILABLE } })
      stream.end()
      return
    }
  }
}

const refuse = (stream: ServerHttp2Stream, { status, text }: { status: number; text: string }): void =>
  stream.respond(
    {
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': status,
      'grpc-message': encodeURIComponent(text),
    },
    { endStream: true },
  )
