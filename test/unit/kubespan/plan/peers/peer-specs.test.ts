import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  describeConflict,
  type PeerConflict,
  planPeerSpecs,
} from '../../../../../kubespan/plan/peers/peer-specs.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import {
  type Address,
  type AddressPort,
  hostPrefix,
  type Prefix,
  prefixOf,
} from '../../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../../shared/net/prefix-set.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const keyOf = (nodeId: string) => createHash('sha256').update(nodeId).digest('base64')
const prefixes = (...texts: string[]) => texts as Prefix[]
const addresses = (...texts: string[]) => texts as Address[]
const ula = (index: number) => `fd00:0:0:2::${index.toString(16)}` as Address

interface VectorAffiliate {
  id: string
  nodename: string
  publicKey: string
  kubespanAddress: Address
  addresses: Address[]
  additionalAddresses: Prefix[]
  excludeAdvertisedNetworks: Prefix[]
  endpoints: Affiliate['kubespan']['endpoints']
  invalidAdditionalAddress?: { ip: Address; bits: number }
}

const affiliateOfVector = ({
  id,
  kubespanAddress,
  invalidAdditionalAddress: odd,
  ...rest
}: VectorAffiliate) =>
  affiliateOf({
    ...rest,
    nodeId: id,
    address: kubespanAddress,
    additionalAddresses: [
      ...rest.additionalAddresses,
      ...(odd === undefined ? [] : [prefixOf(odd.ip, odd.bits)]),
    ],
  })

test('recorded plans', () => {
  const { cases } = JSON.parse(readFileSync('test/vectors/allowed-ips.json', 'utf8')) as {
    cases: { name: string; localId: string; affiliates: VectorAffiliate[]; peers: unknown[] }[]
  }
  for (const { name, localId, affiliates, peers } of cases) {
    const { specs } = planPeerSpecs(affiliates.map(affiliateOfVector), localId)
    const plan = specs.map(({ nodeId: _, allowedIps, ...spec }) => ({ ...spec, allowedIPs: allowedIps }))
    if (affiliates.some(({ invalidAdditionalAddress }) => invalidAdditionalAddress !== undefined)) {
      assert.deepEqual(
        plan.map(({ label }) => label),
        ['n2', 'n1'],
        'only the prefix is dropped (SPEC 9, N3)',
      )
      assert.deepEqual(plan[1]?.allowedIPs, ['10.0.0.1/32', 'fd00:1:2:302::1/128'])
    } else if (new Set(affiliates.map(({ publicKey }) => publicKey)).size < affiliates.length) {
      assert.deepEqual(
        plan.map(({ label }) => label),
        ['n1'],
        'the lowest id owns the key (SPEC 9, N1)',
      )
      assert.deepEqual(plan[0]?.allowedIPs, ['10.0.0.1/32', '10.0.0.9/32', 'fd00:1:2:302::1/128'])
    } else assert.deepEqual(plan, peers, name)
  }
})

const peer = (nodeId: string, index: number, said: Partial<Parameters<typeof affiliateOf>[0]> = {}) =>
  affiliateOf({ publicKey: keyOf(nodeId), address: ula(index), ...said, nodeId })

const conflictsOf = (...affiliates: Affiliate[]) => planPeerSpecs(affiliates, 'local').conflicts

test('overlaps are reported with both names, identical and nested ones', () => {
  const conflicts = conflictsOf(
    peer('b', 2, { additionalAddresses: prefixes('10.0.0.0/8') }),
    peer('a', 1, { addresses: addresses('10.0.0.1', '192.168.0.1') }),
    peer('c', 3, { addresses: addresses('10.0.0.9', '192.168.0.1') }),
  )
  assert.deepEqual(conflicts, [
    { kind: 'overlap', nodeId: 'b', ownerId: 'a', prefixes: ['10.0.0.1/32'] },
    { kind: 'overlap', nodeId: 'c', ownerId: 'b', prefixes: ['10.0.0.9/32'] },
    { kind: 'overlap', nodeId: 'c', ownerId: 'a', prefixes: ['192.168.0.1/32'] },
  ])
})

test('every conflict has a sentence that names who is concerned', () => {
  const conflicts: PeerConflict[] = [
    { kind: 'invalid key', nodeId: 'node-x', publicKey: '' },
    { kind: 'no address', nodeId: 'node-x' },
    { kind: 'taken key', nodeId: 'node-x', publicKey: 'k', ownerId: 'node-y' },
    { kind: 'invalid prefix', nodeId: 'node-x', prefix: '10.0.0.0/40' as Prefix },
    { kind: 'overlap', nodeId: 'node-x', ownerId: 'node-y', prefixes: prefixes('10.0.0.0/8') },
  ]
  for (const conflict of conflicts) {
    assert.match(describeConflict(conflict), /node-x/)
    if ('ownerId' in conflict) assert.match(describeConflict(conflict), /node-y/)
  }
})

/** Few addresses and short prefixes, so that nearly everything collides. */
const drawnPrefix = fc
  .tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 27, max: 32 }), fc.boolean())
  .map(
    ([host, bits, v6]) =>
      (v6 ? `fd01::${host.toString(16)}/${bits + 96}` : `10.0.0.${host}/${bits}`) as Prefix,
  )

const drawnAffiliates = fc
  .uniqueArray(
    fc.record({
      nodeId: fc.constantFrom('a', 'b', 'c', 'B', 'd', 'e'),
      additional: fc.array(drawnPrefix, { maxLength: 5 }),
      excluded: fc.array(drawnPrefix, { maxLength: 2 }),
      ula: fc.integer({ min: 1, max: 4 }),
    }),
    { selector: ({ nodeId }) => nodeId },
  )
  .map((drawn) =>
    drawn.map(({ nodeId, additional, excluded, ula: index }) =>
      peer(nodeId, index, { additionalAddresses: additional, excludeAdvertisedNetworks: excluded }),
    ),
  )

const claimOf = ({ kubespan }: Affiliate) =>
  PrefixSet.of(kubespan.additionalAddresses)
    .subtract(PrefixSet.of(kubespan.excludeAdvertisedNetworks))
    .union(PrefixSet.of([hostPrefix(kubespan.address as Address)]))

test('each address has one peer, the lowest id that claims it', () => {
  fc.assert(
    fc.property(drawnAffiliates, (affiliates) => {
      const { specs } = planPeerSpecs(affiliates, 'local')
      let taken = PrefixSet.empty
      for (const affiliate of affiliates.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))) {
        const claim = claimOf(affiliate)
        const spec = specs.find(({ nodeId }) => nodeId === affiliate.nodeId)
        assert.deepEqual(spec?.allowedIps, claim.subtract(taken).toPrefixes())
        taken = taken.union(claim)
      }
    }),
  )
})

test('the order in which affiliates arrive does not matter', () => {
  fc.assert(
    fc.property(drawnAffiliates, (affiliates) => {
      const plan = planPeerSpecs(affiliates, 'local')
      assert.deepEqual(planPeerSpecs(affiliates.toReversed(), 'local'), plan)
    }),
  )
})

/** The peer to which WireGuard sends a packet: the longest match. */
const receiverOf = (specs: ReturnType<typeof planPeerSpecs>['specs'], address: Address) =>
  specs
    .flatMap(({ nodeId, allowedIps }) => allowedIps.map((prefix) => ({ nodeId, prefix })))
    .filter(({ prefix }) => PrefixSet.of([prefix]).contains(address))
    .sort((a, b) => Number(b.prefix.split('/')[1]) - Number(a.prefix.split('/')[1]))

test('with holdings the most specific claim has the address, and of identical ones the holder', () => {
  const holders = fc.dictionary(drawnPrefix, fc.constantFrom('a', 'b', 'c', 'gone'))
  fc.assert(
    fc.property(drawnAffiliates, holders, (affiliates, drawn) => {
      const held = new Map(Object.entries(drawn) as [Prefix, string][])
      const holdings = new Map(
        Array.from(held, ([prefix, holderId]) => [
          prefix,
          { ownerId: '', holderId, ownerUpSince: undefined },
        ]),
      )
      const { specs, contested } = planPeerSpecs(affiliates, 'local', { holdings })
      for (const host of Array.from({ length: 16 }, (_, index) => `10.0.0.${index}` as Address)) {
        const found = receiverOf(specs, host)
        const lengths = affiliates.flatMap((affiliate) => {
          const { additionalAddresses, excludeAdvertisedNetworks } = affiliate.kubespan
          const excluded = PrefixSet.of(excludeAdvertisedNetworks)
          return additionalAddresses
            .flatMap((prefix) => PrefixSet.of([prefix]).subtract(excluded).toPrefixes())
            .filter((prefix) => PrefixSet.of([prefix]).contains(host))
            .map((prefix) => ({ nodeId: affiliate.nodeId, prefix, bits: Number(prefix.split('/')[1]) }))
        })
        const longest = Math.max(...lengths.map(({ bits }) => bits))
        const claimants = lengths.filter(({ bits }) => bits === longest)
        const winner =
          claimants.find(({ nodeId, prefix }) => held.get(prefix) === nodeId) ??
          claimants.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))[0]
        assert.equal(found[0]?.nodeId, winner?.nodeId, host)
        const ids = new Set(claimants.map(({ nodeId }) => nodeId))
        if (winner !== undefined && ids.size > 1)
          assert.deepEqual(contested.get(winner.prefix), [...ids].sort(), 'and it is reported as contested')
      }
      const all = specs.flatMap(({ allowedIps }) => allowedIps)
      assert.equal(new Set(all).size, all.length, 'no prefix is given to two')
    }),
  )
})

test('without overlaps both rules give the same minimal covers', () => {
  const affiliates = [
    peer('a', 1, {
      additionalAddresses: prefixes('10.1.0.0/24', '10.1.1.0/24'),
      addresses: addresses('10.1.0.7'),
    }),
    peer('b', 2, { addresses: addresses('10.2.0.2', '10.2.0.3') }),
  ]
  const { specs } = planPeerSpecs(affiliates, 'local')
  assert.deepEqual(planPeerSpecs(affiliates, 'local', { holdings: new Map() }).specs, specs)
  assert.deepEqual(specs.find(({ nodeId }) => nodeId === 'a')?.allowedIps[0], '10.1.0.0/23')
})

test('a thousand affiliates are no work', () => {
  const affiliates = Array.from({ length: 1000 }, (_, index) => {
    const [high, low] = [index >> 8, index & 255]
    return peer(`node-${index}`, index + 1, {
      addresses: addresses(`10.${high}.${low}.1`, `2001:db8::${index.toString(16)}`, '172.17.0.1'),
      additionalAddresses: prefixes(`10.${100 + high}.${low}.0/24`, `fd02:0:0:${index.toString(16)}::/64`),
    })
  })
  const startedAt = performance.now()
  const { specs, conflicts } = planPeerSpecs(affiliates, 'local')
  const spent = performance.now() - startedAt
  assert.equal(specs.length, 1000)
  assert.equal(conflicts.length, 999, 'an address that all have')
  assert.ok(spent < 1000, `took ${spent.toFixed(0)} ms; anything quadratic takes far longer`)
})

test('endpoints that mean something on the machine of their owner only are left out', () => {
  const endpoints = [
    '[fe80::1%eth0]:51820',
    '[fe80::1]:51820',
    '[2001:db8::1]:51820',
    '169.254.3.4:51820',
    '192.0.2.1:51820',
  ] as AddressPort[]
  const affiliate = affiliateOf({
    nodeId: 'a',
    publicKey: Buffer.alloc(32, 8).toString('base64'),
    address: 'fd00::1' as Address,
    endpoints,
  })
  const [spec] = planPeerSpecs([affiliate], 'b').specs
  assert.deepEqual(spec?.endpoints, endpoints.slice(2))
})
