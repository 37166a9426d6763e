import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { on } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { cleanUp } from '../../kubespan/apply/cleanup.ts'
import type { Bypass, DesiredState } from '../../kubespan/model/desired.ts'
import type { Address, AddressPort } from '../../shared/net/address.ts'
import { desiredOf, keyOf, OTHER_SECRETS, placementOf } from '../support/desired-states.ts'
import { bringInLine } from '../support/host-cases.ts'
import { patient } from '../support/patience.ts'
import {
  a,
  ask,
  askFrom,
  assertNothingInClear,
  BYPASSED,
  b,
  counter,
  desiredB,
  inB,
  meshUp,
  NODE_A,
  NODE_B,
  ORDINARY,
  POD_OF_B,
  peerB,
  SILENCE_MS,
  ULA_A,
  wireHosts,
} from '../support/wired-hosts.ts'

const skip = wireHosts(import.meta.url)

const bypass = (address: string): Bypass => ({
  destinations: [`${address}:${BYPASSED}` as AddressPort],
  localPorts: [BYPASSED],
  conntrackMark: 0x80,
})

test('what the mesh comes up through is reached without it, and nothing else is', { skip }, async () => {
  const server = createServer((socket) => socket.end('a'))
  const other = createServer((socket) => socket.end('a'))
  server.listen(BYPASSED)
  other.listen(ORDINARY)
  try {
    // The tunnel is of no use: B has another key than A thinks.
    const broken = peerB({ publicKey: keyOf(3) })
    const withoutTunnel = (said: Partial<DesiredState>): DesiredState =>
      desiredOf([broken], { address: ULA_A as Address, ...said })
    await meshUp({}, { bypass: bypass(NODE_A) })
    await bringInLine(a, withoutTunnel({}))
    assert.equal(await ask(NODE_B, BYPASSED, SILENCE_MS), 'timeout')
    assert.equal(await counter('bypassed'), 0)

    await bringInLine(a, withoutTunnel({ bypass: bypass(NODE_B) }))
    assert.equal(await ask(NODE_B, BYPASSED), 'b', 'from here to a service there')
    assert.equal(await ask(NODE_B, ORDINARY, SILENCE_MS), 'timeout')
    assert.equal(await ask(POD_OF_B, BYPASSED, SILENCE_MS), 'timeout', 'another address with the same port')
    assert.equal(await askFrom('b', NODE_A, BYPASSED), 'a', 'from there to a service here')
    assert.equal(await askFrom('b', NODE_A, ORDINARY, SILENCE_MS), 'timeout')
    await assertNothingInClear()
  } finally {
    server.close()
    other.close()
  }
})

test('a connection that is older than the mesh is answered, even if the answer is what is seen of it first', {
  skip,
}, async () => {
  await cleanUp(a, placementOf())
  await cleanUp(b, placementOf({ linkName: 'kubespan-b' }))
  const accepted = new Map<number, Socket>()
  const servers = [BYPASSED, ORDINARY].map((port) =>
    createServer((socket) => {
      accepted.set(
        port,
        socket.on('error', () => undefined),
      )
      socket.write('hello\n')
    }).listen(port),
  )
  const callers = [BYPASSED, ORDINARY].map((port) => {
    const script = `require('node:net').connect({ host: '${NODE_A}', port: ${port} }).pipe(process.stdout)`
    const child = spawn('ip', ['netns', 'exec', 'b', process.execPath, '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    return { port, child, heard: on(child.stdout, 'data') }
  })
  /** What a caller hears next, or that it hears nothing. */
  const hears = async ({ heard }: (typeof callers)[number], timeout: number): Promise<string> =>
    await Promise.race([
      heard.next().then(({ value }) => String(value)),
      sleep(patient(timeout), 'nothing', { ref: false }),
    ])
  try {
    for (const caller of callers) assert.equal(await hears(caller, 15_000), 'hello\n')
    // Whoever tracks connections on A has seen none of these two; and no tunnel works.
    const broken = peerB({ publicKey: keyOf(3) })
    await bringInLine(b, desiredB({ bypass: bypass(NODE_A) }), OTHER_SECRETS)
    const mesh = desiredOf([broken], { address: ULA_A as Address, bypass: bypass(NODE_B) })
    await bringInLine(a, mesh)
    await inB('nft reset counter inet watch clear')
    for (const socket of accepted.values()) socket.write('first\n')
    const [service, other] = callers
    assert.ok(service && other)
    assert.equal(await hears(service, 10_000), 'first\n')
    // From then on the connection itself is known.
    for (const set of ['older_v4', 'older_v6']) await a.run('nft', ['flush', 'set', 'inet', 'openspan', set])
    accepted.get(BYPASSED)?.write('second\n')
    assert.equal(await hears(service, 10_000), 'second\n')
    assert.equal(await hears(other, 1_000), 'nothing')
    await assertNothingInClear()
    assert.equal((await bringInLine(a, mesh)).count, 0)
  } finally {
    for (const { child } of callers) child.kill('SIGKILL')
    for (const socket of accepted.values()) socket.destroy()
    for (const server of servers) server.close()
  }
})
