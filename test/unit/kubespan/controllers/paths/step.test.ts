import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Racer } from '../../../../../kubespan/controllers/paths/racer.ts'
import { Rankings } from '../../../../../kubespan/controllers/paths/rankings.ts'
import {
  type PathInput,
  stepByRaces,
  stepByRotation,
  stepByTurns,
  trialLook,
} from '../../../../../kubespan/controllers/paths/step.ts'
import type { PeerStatus, WireGuardPeer, WireGuardView } from '../../../../../kubespan/model/peer.ts'
import { judgePeers } from '../../../../../kubespan/plan/paths/peer-step.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { FakeRaceSockets, initiation } from '../../../../support/fake-race-sockets.ts'
import { linkOf } from '../../../../support/links.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { specOf, statusOf, wireguardPeerOf } from '../../../../support/peers.ts'
import { settingsOf } from '../../../../support/settings.ts'

const at = (text: string): AddressPort => text as AddressPort
const GOOD = at('192.0.2.9:51820')
const LAN = at('10.0.0.9:51820')
const RELAY = at('127.0.0.1:40001')

const viewOf = (...peers: Partial<WireGuardPeer>[]): WireGuardView => ({
  publicKey: undefined,
  listenPort: 51820,
  fwmark: 0x20,
  peers: new Map(peers.map(wireguardPeerOf).map((peer) => [peer.publicKey, peer])),
})
function inputOf(said: Partial<PathInput> = {}): PathInput {
  const input = {
    specs: [specOf({ endpoints: [GOOD, LAN] })],
    memory: new Map(),
    view: undefined,
    identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
    links: [linkOf('eth0', ['198.51.100.1/24'])],
    settings: settingsOf(),
    suspects: new Set<string>(),
    now: 0,
    ...said,
  }
  const { specs, memory, view, now, settings, links, identity } = input
  const judged = judgePeers(specs, memory, view?.peers ?? new Map(), now, settings.timing)
  const ground = { links, meshSubnet: identity.subnet, lastWorked: new Map(), ...settings }
  return { judged, rank: new Rankings().on(ground), ...input }
}
function racing() {
  const clock = new ManualClock()
  const sockets = new FakeRaceSockets()
  return { clock, sockets, racer: new Racer({ clock, sockets }) }
}

test('by turns: the first candidate, and no haste', () => {
  const { endpoints, kicks, resets, again } = stepByTurns(inputOf())
  assert.deepEqual([[...endpoints], kicks, resets, again], [[['key', GOOD]], [], [], undefined])
})

test('a new peer is raced, looked at soon, and on trial for its best candidate', async () => {
  const { racer } = racing()
  const { statuses, endpoints, kicks, resets, again } = await stepByRaces(inputOf(), racer)
  assert.deepEqual([[...endpoints], kicks, resets], [[['key', RELAY]], [], []])
  assert.equal(again, 100)
  const { state, endpoint, lastEndpointChangeAt } = statuses.get('key') ?? assert.fail()
  assert.deepEqual([state, endpoint, lastEndpointChangeAt], ['unknown', GOOD, 0])
})

test('where a peer was last heard survives its race', async () => {
  const heard = at('203.0.113.7:1024')
  const { racer } = racing()
  const view = viewOf({ endpoint: heard })
  const memory = new Map([
    [
      'key',
      statusOf({ state: 'down', endpoint: heard, lastUsedEndpoint: GOOD, lastEndpointChangeAt: -300_000 }),
    ],
  ])
  const first = await stepByRaces(inputOf({ view, memory }), racer)
  assert.equal(first.statuses.get('key')?.endpoint, heard)
  assert.deepEqual(first.kicks, ['key'], 'it is there, so the kernel is made to begin')
  const next = await stepByRaces(
    inputOf({ view: viewOf({ endpoint: RELAY }), memory: first.statuses, now: 100 }),
    racer,
  )
  assert.equal(next.statuses.get('key')?.endpoint, heard)
})

test('who is up is left alone, and nobody looks again for its sake', async () => {
  const { racer } = racing()
  const view = viewOf({ endpoint: LAN, lastHandshakeAt: -1000, lastHandshakeStamp: 5 })
  const { statuses, endpoints, again } = await stepByRaces(inputOf({ view }), racer)
  assert.deepEqual([statuses.get('key')?.state, [...endpoints], again], ['up', [], undefined])
  assert.equal(statuses.get('key')?.lastUsedEndpoint, LAN)
})

test('a race that lasts is looked at less often', async () => {
  const { racer } = racing()
  const { statuses } = await stepByRaces(inputOf(), racer)
  const view = viewOf({ endpoint: RELAY })
  const lookAt = (now: number) => stepByRaces(inputOf({ view, memory: statuses, now }), racer)
  assert.deepEqual([(await lookAt(5000)).again, (await lookAt(20_000)).again], [500, 1000])
})

test('who has lost a race is looked at less often from the first moment of the next', async () => {
  const { racer } = racing()
  const first = await stepByRaces(inputOf(), racer)
  const view = viewOf({ endpoint: RELAY })
  const lost = await stepByRaces(inputOf({ view, memory: first.statuses, now: 90_000 }), racer)
  const next = await stepByRaces(inputOf({ view, memory: lost.statuses, now: 91_000 }), racer)
  assert.deepEqual([lost.endpoints.get('key'), next.endpoints.get('key')?.slice(0, 10)], [GOOD, '127.0.0.1:'])
  assert.equal(next.statuses.get('key')?.state, 'unknown')
  assert.equal(next.again, 1000)
})

test('on trial is who was given an endpoint; who calls us is expected at first, and then not waited for', () => {
  const lookAt = (now: number, said: Partial<PeerStatus>) =>
    trialLook(new Map([['key', statusOf({ notUpSince: 0, ...said })]]), now)
  assert.deepEqual([lookAt(1000, {}), lookAt(15_000, {})], [500, 5000])
  assert.equal(lookAt(15_000, { lastEndpointChangeAt: 5000 }), 500)
  assert.equal(lookAt(1000, { state: 'down' }), Infinity)
})

test('a race does not look more often for those who call us, and without one they are looked at now and then', async () => {
  const { racer } = racing()
  const specs = [specOf({ endpoints: [] })]
  const memory = new Map([['key', statusOf({ notUpSince: 0 })]])
  const lookAt = async (now: number) => (await stepByRaces(inputOf({ specs, memory, now }), racer)).again
  assert.deepEqual([await lookAt(1000), await lookAt(60_000)], [1000, 5000])
})

test('ranges say which endpoints are tried, and which first', async () => {
  const { racer, sockets, clock } = racing()
  const settings = settingsOf(
    'filters: {preferredRanges: [10.0.0.0/8], deniedRanges: [203.0.113.0/24], allowedRanges: [0.0.0.0/0]}',
  )
  const endpoints = [GOOD, at('203.0.113.1:51820'), at('[2001:db8::1]:51820'), LAN]
  await stepByRaces(inputOf({ settings, specs: [specOf({ endpoints })] }), racer)
  sockets.relays.get(40_001)?.(initiation())
  await clock.advance(100)
  assert.deepEqual(
    sockets.sent.map(({ to }) => to),
    [LAN, GOOD],
  )
})

const UP = { lastHandshakeAt: -1000, lastHandshakeStamp: 5 }

test('a suspect is raced at once, by removing and adding it', async () => {
  const { racer } = racing()
  const view = viewOf({ endpoint: GOOD, ...UP })
  const step = await stepByRaces(inputOf({ view, suspects: new Set(['key']) }), racer)
  assert.deepEqual([step.resets, step.kicks, [...step.endpoints]], [['key'], [], [['key', RELAY]]])
  assert.equal(step.statuses.get('key')?.state, 'unknown')
  assert.equal(step.statuses.get('key')?.endpoint, GOOD)
})

test('a peer that was left on a relay is raced although its session is young', async () => {
  const { racer } = racing()
  const step = await stepByRaces(inputOf({ view: viewOf({ endpoint: at('127.0.0.1:39999'), ...UP }) }), racer)
  assert.deepEqual(step.resets, ['key'])
})

test('where races cannot run candidates are tried quickly, the best first, and each makes the kernel begin', () => {
  const seen: unknown[] = []
  let rotations: ReturnType<typeof stepByRotation>['rotations'] = new Map()
  let memory: PathInput['memory'] = new Map()
  let view: WireGuardView | undefined
  for (const now of [0, 100, 500, 1000, 6500]) {
    const step = stepByRotation(inputOf({ memory, view, now }), rotations)
    seen.push([now, [...step.endpoints.values()], step.resets, step.again])
    rotations = step.rotations
    memory = step.statuses
    view = viewOf({ endpoint: memory.get('key')?.endpoint })
  }
  assert.deepEqual(seen, [
    [0, [GOOD], [], 500],
    [100, [], [], 400],
    [500, [LAN], ['key'], 5500],
    [1000, [], [], 5000],
    [6500, [GOOD], ['key'], 500],
  ])
})

test('rotation leaves alone who is up, unless it is suspect or on a relay that nobody serves', () => {
  const view = viewOf({ endpoint: LAN, ...UP })
  assert.deepEqual([...stepByRotation(inputOf({ view }), new Map()).endpoints], [])
  const suspect = stepByRotation(inputOf({ view, suspects: new Set(['key']) }), new Map())
  assert.deepEqual([suspect.resets, suspect.statuses.get('key')?.state], [['key'], 'unknown'])
  const left = stepByRotation(inputOf({ view: viewOf({ endpoint: RELAY, ...UP }) }), new Map())
  assert.deepEqual([...left.endpoints], [['key', GOOD]])
})

test('the handshake after a reset is a new one, even within the second of the last', async () => {
  const { racer } = racing()
  const view = viewOf({ endpoint: GOOD, ...UP })
  const raced = await stepByRaces(inputOf({ view, suspects: new Set(['key']) }), racer)
  const rotated = stepByRotation(inputOf({ view, suspects: new Set(['key']) }), new Map())
  for (const { statuses } of [raced, rotated]) {
    const after = inputOf({ view, memory: statuses, now: 100 })
    assert.equal(after.judged.get('key')?.state, 'up')
  }
})
