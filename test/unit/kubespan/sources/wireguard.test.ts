import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DumpMemo, observeWireGuard, parseWireGuardDump } from '../../../../kubespan/sources/wireguard.ts'
import { keyOf, PRIVATE_KEY, SECRETS } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'
import { refuse } from '../../../support/host/refusal.ts'

const wall = Date.UTC(2026, 0, 1)
const moment = { now: 5_000_000, wall }
const seconds = wall / 1000

const dump = (...rows: readonly (readonly (string | number)[])[]): string =>
  rows.map((row) => `${row.join('\t')}\n`).join('')

const DEVICE = [PRIVATE_KEY, SECRETS.publicKey, 51820, '0x20']

test('a device that was just made has no key, and a mark that is off', () => {
  assert.deepEqual(parseWireGuardDump('(none)\t(none)\t60169\toff\n', moment), {
    publicKey: undefined,
    listenPort: 60169,
    fwmark: 0,
    peers: new Map(),
  })
})

test('a peer that never spoke', () => {
  const view = parseWireGuardDump(
    dump(DEVICE, [keyOf(1), '(none)', '(none)', '(none)', 0, 0, 0, 'off']),
    moment,
  )
  assert.equal(view.publicKey, SECRETS.publicKey)
  assert.equal(view.fwmark, 0x20)
  assert.deepEqual(view.peers.get(keyOf(1)), {
    publicKey: keyOf(1),
    hasPresharedKey: false,
    endpoint: undefined,
    allowedIps: [],
    lastHandshakeStamp: undefined,
    lastHandshakeAt: undefined,
    receiveBytes: 0,
    transmitBytes: 0,
    keepaliveSeconds: 0,
  })
})

test('a peer that speaks; addresses are made canonical', () => {
  const view = parseWireGuardDump(
    dump(DEVICE, [
      keyOf(1),
      SECRETS.presharedKey,
      '[2001:DB8:0::7]:4500',
      '10.0.0.0/24,fd00:0::1/128',
      seconds - 10,
      3_000_000_000_000,
      92,
      25,
    ]),
    moment,
  )
  const peer = view.peers.get(keyOf(1))
  assert.equal(peer?.endpoint, '[2001:db8::7]:4500')
  assert.deepEqual(peer?.allowedIps, ['10.0.0.0/24', 'fd00::1/128'])
  assert.equal(peer?.lastHandshakeStamp, seconds - 10)
  assert.equal(peer?.lastHandshakeAt, moment.now - 9_000, 'the stamp is the start of its second')
  assert.equal(peer?.receiveBytes, 3_000_000_000_000)
  assert.equal(peer?.keepaliveSeconds, 25)
})

test('a handshake is never later than now', () => {
  const row = [keyOf(1), '(none)', '(none)', '(none)', seconds, 1, 1, 25]
  assert.equal(parseWireGuardDump(dump(DEVICE, row), moment).peers.get(keyOf(1))?.lastHandshakeAt, moment.now)
  const ahead = [keyOf(1), '(none)', '(none)', '(none)', seconds + 3600, 1, 1, 25]
  assert.equal(
    parseWireGuardDump(dump(DEVICE, ahead), moment).peers.get(keyOf(1))?.lastHandshakeAt,
    moment.now,
  )
})

test('neither secret gets into the view, and another preshared key is none of ours', () => {
  const text = dump(DEVICE, [keyOf(1), SECRETS.presharedKey, '(none)', '(none)', 0, 0, 0, 'off'])
  const has = (expected?: string): boolean | undefined =>
    parseWireGuardDump(text, moment, expected).peers.get(keyOf(1))?.hasPresharedKey
  assert.equal(has(), true)
  assert.equal(has(SECRETS.presharedKey), true)
  assert.equal(has(keyOf(9)), false)
  const view = parseWireGuardDump(text, moment)
  const said = JSON.stringify({ ...view, peers: [...view.peers] })
  assert.ok(!said.includes(SECRETS.presharedKey) && !said.includes(PRIVATE_KEY))
})

test('no device is an answer, no permission is an error', async () => {
  const host = new FakeHost()
  assert.equal(await observeWireGuard(host, 'kubespan'), undefined)
  host.onRun = (tool, args) => refuse(tool, args, 'Unable to access interface: Operation not permitted', 1)
  await assert.rejects(observeWireGuard(host, 'kubespan'), /not permitted/)
})

test('a peer whose line is the same is the same value, and one with other numbers keeps its addresses', () => {
  const memo = new DumpMemo()
  const rowOf = (number: number, received: number) => [
    ...[
      keyOf(number),
      SECRETS.presharedKey,
      `192.0.2.${number}:51820`,
      `10.0.${number}.0/24,fd00::${number}/128`,
    ],
    ...[seconds - 10, received, 92, 25],
  ]
  const read = (later: number, expected: string, ...rows: ReturnType<typeof rowOf>[]) =>
    parseWireGuardDump(dump(DEVICE, ...rows), { now: moment.now + later, wall: wall + later }, expected, memo)
      .peers
  const [quiet, talking] = [keyOf(1), keyOf(2)]
  const first = read(0, SECRETS.presharedKey, rowOf(1, 5), rowOf(2, 5))
  const second = read(5000, SECRETS.presharedKey, rowOf(2, 6), rowOf(1, 5))
  assert.equal(second.get(quiet), first.get(quiet))
  assert.deepEqual(second.get(talking), { ...first.get(talking), receiveBytes: 6 })
  assert.equal(second.get(talking)?.allowedIps, first.get(talking)?.allowedIps)

  const other = read(5000, keyOf(9), rowOf(1, 5))
  assert.deepEqual([...other.keys()], [quiet], 'who has gone is not remembered')
  assert.equal(other.get(quiet)?.hasPresharedKey, false)
  const moved = [...rowOf(1, 5).slice(0, 2), '192.0.2.9:51820', '(none)', 0, 0, 0, 'off']
  const { endpoint, allowedIps } = read(5000, keyOf(9), moved).get(quiet) ?? {}
  assert.deepEqual([endpoint, allowedIps], ['192.0.2.9:51820', []])
})
