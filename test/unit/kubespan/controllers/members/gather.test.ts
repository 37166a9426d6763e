import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../../../kubespan/config/parse.ts'
import { gatherPeers } from '../../../../../kubespan/controllers/members/gather.ts'
import { EMPTY_MEMORY, type MeshMemory } from '../../../../../kubespan/controllers/view.ts'
import type { PeerStatus } from '../../../../../kubespan/model/peer.ts'
import { unconfirmed } from '../../../../../kubespan/plan/members/retain.ts'
import type { ServiceReport } from '../../../../../kubespan/plan/members/unite-services.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const { settings } = parseConfig('c.yaml', 'kind: KubeSpanConfig\napiVersion: v1alpha1\nenabled: false\n', {
  hostname: 'box',
  operatingSystem: '',
})
const key = (n: number): string => Buffer.alloc(32, n).toString('base64')
const identity = { nodeId: 'me', publicKey: key(99) }
const node = (n: number): Affiliate =>
  affiliateOf({
    nodeId: `n${n}`,
    publicKey: key(n),
    address: `fd00::${n}` as Address,
    addresses: [`192.0.2.${n}` as Address],
  })
const report = (nodes: readonly Affiliate[], change: Partial<ServiceReport> = {}): ServiceReport => ({
  name: 'one',
  isConnected: true,
  lastContactAt: 1,
  affiliates: new Map(nodes.map((affiliate) => [affiliate.nodeId, { affiliate, changedAt: 1, seenAt: 1 }])),
  departures: new Map(),
  ...change,
})
const gather = (
  memory: MeshMemory,
  reports: readonly ServiceReport[],
  now = 1000,
  forgotten: string[] = [],
) => ({
  ...memory,
  ...gatherPeers({ memory, reports, identity, settings, forgotten: new Set(forgotten), now }),
})
/** All peers are up and have just received. */
const live = (memory: MeshMemory, now: number): MeshMemory => ({
  ...memory,
  statuses: new Map(
    memory.specs.map(({ publicKey }) => [
      publicKey,
      { state: 'up', lastReceiveAt: now, notUpSince: undefined } as unknown as PeerStatus,
    ]),
  ),
})
const ids = ({ retained }: MeshMemory): string[] => retained.map(({ affiliate }) => affiliate.nodeId)

test('a live peer that the service forgot stays, and of a silent one what it owned is held', () => {
  const known = live(gather(EMPTY_MEMORY, [report([node(1), node(2)])]), 1000)
  const lost = gather(known, [report([node(2)])], 2000)
  assert.deepEqual(ids(lost), ['n1', 'n2'])
  assert.equal(lost.retained[0]?.unconfirmedUntil, Infinity)
  assert.equal(lost.specs.length, 2)
  assert.deepEqual([...lost.challenged], [key(1)], 'it is asked whether it is there')
  assert.deepEqual([...gather(lost, [report([node(2)])], 2001).challenged], [])
  const suspect = { ...lost, suspectSince: new Map([[key(1), 3000]]) }
  const silent = gather(suspect, [report([node(2)])], 2000 + 300_000)
  assert.deepEqual(
    silent.specs.map(({ nodeId }) => nodeId),
    ['n2'],
  )
  assert.deepEqual(silent.held, [{ nodeId: 'n1', label: '', prefixes: ['192.0.2.1/32', 'fd00::1/128'] }])
  assert.deepEqual(ids(gather(lost, [report([node(2)])], 2001, ['n1'])), ['n2'], 'forgotten by command')
})

/** Who is sent what, and what has no peer. */
const shares = ({ specs, held }: Pick<MeshMemory, 'specs' | 'held'>) => [
  ...specs.map(({ nodeId, allowedIps }) => `${nodeId}: ${allowedIps.join(' ')}`),
  ...held.map(({ nodeId, prefixes }) => `${nodeId} held: ${prefixes.join(' ')}`),
]

test('a key stays with who has it, whoever else is said to have it, and what that one claims is held', () => {
  const thief = { ...node(1), kubespan: { ...node(1).kubespan, publicKey: key(2) } }
  const first = gather(EMPTY_MEMORY, [report([node(2)])])
  const alone = shares(first)
  const robbed = gather(live(first, 1000), [report([thief, node(2)])], 2000)
  assert.deepEqual(shares(robbed), [...alone, 'n1 held: 192.0.2.1/32 fd00::1/128'])
  const silent = { ...robbed, suspectSince: new Map([[key(2), 3000]]) }
  assert.deepEqual(
    shares(gather(silent, [report([thief, node(2)])], 90_000)).slice(0, 1),
    alone,
    'silent or not',
  )

  const fromCache = { ...EMPTY_MEMORY, retained: unconfirmed([node(2)]) }
  assert.deepEqual(
    shares(gather(fromCache, [report([thief, node(2)])])).slice(0, 1),
    alone,
    'after a restart',
  )

  const taken = gather(EMPTY_MEMORY, [report([thief, node(2)])])
  assert.deepEqual(shares(taken).at(-1), 'n2 held: 192.0.2.2/32 fd00::2/128', 'when both are new')
  assert.deepEqual(shares(gather(live(taken, 1000), [report([node(2)])], 2000)).slice(0, 1), alone)
})

test('what a record withdraws that does not say when it was sealed is held', () => {
  const wide = { ...node(1), addresses: ['192.0.2.1', '192.0.2.7'] as Address[] }
  const known = live(gather(EMPTY_MEMORY, [report([wide])]), 1000)
  const replayed = gather(known, [report([node(1)])], 2000)
  assert.deepEqual(replayed.held, [{ nodeId: 'n1', label: '', prefixes: ['192.0.2.7/32'] }])
  const later = gather(live(replayed, 100_000), [report([node(1)])], 100_000)
  assert.deepEqual(later.held, replayed.held)
  assert.deepEqual(gather(live(later, 1_802_000), [report([node(1)])], 1_802_000).held, [])
  assert.deepEqual(gather(live(later, 100_000), [report([wide])], 100_001).held, [])

  const [sealed, after] = [
    { ...wide, sealedAt: 1 },
    { ...node(1), sealedAt: 2 },
  ]
  const proven = gather(live(gather(EMPTY_MEMORY, [report([sealed])]), 1000), [report([after])], 2000)
  assert.deepEqual(proven.held, [], 'of one that does it is the word of the node')
})

test('a record with another key waits while the peer answers, and the peer is asked whether it is there', () => {
  const known = live(gather(EMPTY_MEMORY, [report([node(1)])]), 1000)
  const replayed = { ...node(1), kubespan: { ...node(1).kubespan, publicKey: key(7) } }
  const doubted = gather(known, [report([replayed])], 2000)
  assert.deepEqual(
    doubted.specs.map(({ publicKey }) => publicKey),
    [key(1)],
  )
  assert.deepEqual([...doubted.challenged], [key(1)])
  const silent = { ...doubted, suspectSince: new Map([[key(1), 3000]]) }
  const renewed = gather(silent, [report([replayed])], 6000)
  assert.deepEqual(
    renewed.specs.map(({ publicKey }) => publicKey),
    [key(7)],
  )
})

test('we are nobody’s peer of our own', () => {
  const memory = gather(EMPTY_MEMORY, [report([affiliateOf({ nodeId: 'me', publicKey: key(99) }), node(1)])])
  assert.deepEqual(ids(memory), ['n1'])
})

test('who vouches for whom is known', () => {
  const memory = gather(EMPTY_MEMORY, [report([node(1)]), report([node(1), node(2)], { name: 'two' })])
  assert.deepEqual(
    [...memory.sources],
    [
      ['n1', ['service/one', 'service/two']],
      ['n2', ['service/two']],
    ],
  )
})

test('a prefix that two claim goes to the live one once its owner was down long enough', () => {
  const shared = { additionalAddresses: ['10.9.0.0/24' as never] }
  const claim = (n: number): Affiliate => ({ ...node(n), kubespan: { ...node(n).kubespan, ...shared } })
  const first = gather(EMPTY_MEMORY, [report([claim(1), claim(2)])])
  const holder = ({ specs }: typeof first): string | undefined =>
    specs.find(({ allowedIps }) => allowedIps.includes('10.9.0.0/24' as never))?.nodeId
  assert.equal(holder(first), 'n1')
  const owner = {
    ...first,
    statuses: new Map([
      [key(1), { notUpSince: 1000 } as PeerStatus],
      [key(2), { notUpSince: undefined } as PeerStatus],
    ]),
  }
  assert.equal(holder(gather(owner, [report([claim(1), claim(2)])], 1000 + 274_999)), 'n1')
  assert.equal(holder(gather(owner, [report([claim(1), claim(2)])], 1000 + 275_000)), 'n2')
})

test('an address that moves goes to the newer claim once the path to its holder is found dead', () => {
  const vip = '198.51.100.9' as Address
  const withVip = (n: number): Affiliate => ({ ...node(n), addresses: [...node(n).addresses, vip] })
  const holder = ({ specs }: ReturnType<typeof gather>): string | undefined =>
    specs.find(({ allowedIps }) => allowedIps.includes(`${vip}/32` as never))?.nodeId
  const start = { listeningSince: 0 }
  const at = (memory: MeshMemory, nodes: readonly Affiliate[], now: number) => ({
    ...memory,
    ...gatherPeers({
      ...{
        memory,
        reports: [report(nodes)],
        identity,
        settings,
        forgotten: new Set<string>(),
        now,
        wall: now,
      },
      ...start,
    }),
  })
  const first = live(at(EMPTY_MEMORY, [withVip(1), node(2)], 1_000), 60_000)
  const both = at(first, [withVip(1), withVip(2)], 62_000)
  assert.equal(holder(both), 'n1')
  assert.deepEqual([...both.challenged], [key(1)], 'whether it is still there is asked at once')
  const suspect = { ...both, suspectSince: new Map([[key(1), 66_000]]) }
  assert.equal(holder(at(suspect, [withVip(1), withVip(2)], 68_999)), 'n1')
  const moved = at(suspect, [withVip(1), withVip(2)], 69_000)
  assert.equal(holder(moved), 'n2')
  assert.deepEqual([...moved.challenged], [key(2)], 'who was not heard since is asked again')
  const heard = live(moved, 69_500)
  assert.deepEqual([...at(heard, [withVip(1), withVip(2)], 70_000).challenged], [])
  assert.deepEqual([...at(moved, [withVip(1), withVip(2)], 92_000).challenged], [], 'while the claim is new')
  assert.equal(holder(at({ ...moved, suspectSince: new Map() }, [node(1), withVip(2)], 70_000)), 'n2')
})

test('a node that has said itself that it leaves is gone at once, live or not, and nothing of it is held', () => {
  const sealed = (affiliate: Affiliate, sealedAt: number): Affiliate => ({ ...affiliate, sealedAt })
  const known = live(gather(EMPTY_MEMORY, [report([sealed(node(1), 500), node(2)])]), 1000)
  const farewell = (sealedAt: number) =>
    report([node(2)], {
      departures: new Map([
        ['n1', { at: 1, explicit: true, farewell: sealed(affiliateOf({ nodeId: 'n1' }), sealedAt) }],
      ]),
    })
  const left = gather(known, [farewell(501)], 2000)
  assert.deepEqual(
    left.specs.map(({ nodeId }) => nodeId),
    ['n2'],
  )
  assert.deepEqual(left.held, [])
  assert.deepEqual(ids(gather(left, [farewell(501)], 2001)), ['n2'])
  const replayed = gather(known, [farewell(499)], 2000)
  assert.deepEqual(ids(replayed), ['n1', 'n2'], 'one of long ago changes nothing')
  assert.equal(replayed.retained[0]?.unconfirmedUntil, Infinity, 'and vouches for nobody')
})
