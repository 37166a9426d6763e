import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { frameMessage } from '../../../../discovery/transport/frames.ts'
import { isWholeMessage, MessageAssembler } from '../../../../discovery/transport/message-reader.ts'
import { MessageRoom } from '../../../../discovery/transport/message-room.ts'

/** Feeds the chunks until there is a result. */
function assemble(chunks: readonly Buffer[]): string {
  const assembler = new MessageAssembler(new MessageRoom(1 << 20))
  for (const chunk of chunks) {
    const taken = assembler.take(chunk)
    if (taken !== undefined) return 'code' in taken ? `${taken.code} ${taken.message}` : taken.toString('hex')
  }
  return 'incomplete'
}

test('a message is put together from pieces of any size', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.array(fc.nat(210), { maxLength: 8 }),
      (message, cuts) => {
        const frame = frameMessage(message)
        const places = [0, ...cuts.filter((cut) => cut <= frame.length), frame.length].sort((a, b) => a - b)
        const chunks = places.slice(1).map((end, index) => frame.subarray(places[index], end))
        assert.equal(assemble(chunks), Buffer.from(message).toString('hex'))
        assert.ok(isWholeMessage(frame))
      },
    ),
  )
})

const cases: { bytes: string; want: string }[] = [
  { bytes: '', want: 'incomplete' },
  { bytes: '00000000', want: 'incomplete' },
  { bytes: '000000000101', want: '01' },
  { bytes: '0000000002 01', want: 'incomplete' },
  { bytes: '0100000001 01', want: '12 compressed messages are not supported' },
  { bytes: '01', want: 'incomplete' },
  { bytes: '0000400001', want: '8 a request may have at most 4194304 bytes' },
  { bytes: '00ffffffff', want: '8 a request may have at most 4194304 bytes' },
  { bytes: '0000000001 01 00', want: '13 a call takes one message' },
  { bytes: '0000000000 0000000000', want: '13 a call takes one message' },
]
for (const { bytes, want } of cases)
  test(`what comes as ${bytes || 'nothing'} is ${want}`, () => {
    const chunk = Buffer.from(bytes.replaceAll(' ', ''), 'hex')
    assert.equal(assemble([chunk]), want)
    assert.equal(isWholeMessage(chunk), /^[0-9a-f]*$/.test(want))
  })

test('what large messages hold together is bounded, and given back', () => {
  const room = new MessageRoom(100_000)
  const start = Buffer.alloc(60_000)
  start.writeUInt32BE(80_000, 1)
  const first = new MessageAssembler(room)
  const second = new MessageAssembler(room)
  assert.equal(first.take(start), undefined)
  assert.equal(room.held, 60_000)
  assert.deepEqual(second.take(start), { code: 8, message: 'too many large requests are under way' })
  assert.equal((first.take(Buffer.alloc(20_005)) as Buffer).length, 80_000)
  first.release()
  first.release()
  second.release()
  assert.equal(room.held, 0)
  assert.equal(new MessageAssembler(room).take(start), undefined)
})
