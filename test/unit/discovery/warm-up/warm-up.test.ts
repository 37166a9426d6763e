import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import {
  ANSWERED_CLIENT,
  encodeCall,
  FAREWELL_OF_A_CLIENT,
  HELLO_OF_A_CLIENT,
  SETTLED_CLIENT,
} from '../../../../discovery/warm-up/frames.ts'
import { warmUp } from '../../../../discovery/warm-up/warm-up.ts'
import { systemClock } from '../../../../shared/clock.ts'
import { startService } from '../../../support/discovery-service.ts'
import { settle } from '../../../support/manual-clock.ts'

const PLAIN = { warmUp: 60, certificatePath: '', keyPath: '' }
const TLS = {
  warmUp: 60,
  certificatePath: 'test/support/tls/one.crt',
  keyPath: 'test/support/tls/one.key',
}

/** Longer than a test may take: who waits for it fails. */
const AN_HOUR_MS = 3_600_000

/** A frame of eight bytes that is a PING and an ACK. */
const PING_ANSWER = Buffer.of(0, 0, 8, 6, 1)

/** Sockets and servers of this process, and how many. */
const open = (): number => process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name)).length

for (const [how, config] of [
  ['in plaintext', PLAIN],
  ['with TLS', TLS],
] as const)
  test(`the service warms up ${how} for as long as it may, and leaves nothing behind`, async () => {
    const before = open()
    const startedAt = performance.now()
    await warmUp(systemClock, config)
    const took = performance.now() - startedAt
    assert.ok(took >= 50, `${took} ms`)
    for (let turn = 0; turn < 1000 && open() > before; turn += 1) await settle()
    assert.ok(open() <= before)
  })

test('it need not, and it cannot fail', { timeout: 30_000 }, async () => {
  await warmUp(systemClock, { ...PLAIN, warmUp: 0 })
  await warmUp(systemClock, { ...TLS, warmUp: AN_HOUR_MS, keyPath: '/nowhere' })
})

test('the calls it makes are good ones', async () => {
  await using started = await startService()
  const { port } = new URL(`http://${started.endpoint}`)
  const socket = connect({ host: '127.0.0.1', port: Number(port) })
  await once(socket, 'connect')
  const data = Buffer.alloc(400, 7)
  const ttl = Buffer.of(0x08, 0x3c)
  socket.write(HELLO_OF_A_CLIENT)
  socket.write(SETTLED_CLIENT)
  socket.write(ANSWERED_CLIENT)
  socket.write(encodeCall(1, 'Hello', '192.0.2.1', ['cluster', 'v1.2.3']))
  socket.write(
    encodeCall(3, 'AffiliateUpdate', '192.0.2.1', ['cluster', 'node', data, [data.subarray(9, 29)], ttl]),
  )
  socket.write(encodeCall(5, 'List', '192.0.2.1', ['cluster']))
  let answered = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    answered = Buffer.concat([answered, chunk])
    if (answered.includes(data) && !socket.writableEnded) socket.end(FAREWELL_OF_A_CLIENT)
  }
  assert.ok(answered.includes(PING_ANSWER))
  await started[Symbol.asyncDispose]()
  const lines = started.log.filter(({ msg }) => msg === 'call')
  assert.deepEqual(
    lines.map((line) => [line.method, line.code, line['peer.address']].join(' ')),
    ['Hello OK 192.0.2.1', 'AffiliateUpdate OK 192.0.2.1', 'List OK 192.0.2.1'],
  )
})
