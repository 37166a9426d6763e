import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeLocalClaims, type Surroundings } from '../../../../../kubespan/model/surroundings.ts'
import {
  findClaimants,
  NO_PROOFS,
  planLocality,
  proveNeighbours,
} from '../../../../../kubespan/plan/peers/locality.ts'
import type { Address, AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { statusOf } from '../../../../support/peers.ts'

const GATEWAY = '192.168.1.1' as Address
const SURROUNDINGS: Surroundings = {
  neighbours: [
    { address: GATEWAY, role: 'gateway', link: 'eth0' },
    { address: GATEWAY, role: 'name server', link: 'eth0' },
    { address: '10.1.1.1' as Address, role: 'name server', link: undefined },
  ],
  networks: [
    { prefix: '10.55.0.2/32' as Prefix, link: 'gre1' },
    { prefix: '172.17.0.0/16' as Prefix, link: 'docker0' },
    { prefix: '192.168.1.0/24' as Prefix, link: 'eth0' },
    { prefix: '2001:db8:1::/64' as Prefix, link: 'eth0' },
  ],
  forwards: false,
  forwardedByLink: [],
}

const plan = (claims: Readonly<Record<string, readonly string[]>>, said: object = {}) => {
  const { routed, kept, told } = planLocality({
    surroundings: SURROUNDINGS,
    proofs: NO_PROOFS,
    ownAddresses: ['192.168.1.5' as Address],
    claims: Object.entries(claims).map(([label, prefixes]) => ({ label, prefixes: prefixes as Prefix[] })),
    ...said,
  })
  const isRouted = (address: string): boolean => routed.contains(address as Address)
  return { isRouted, kept: kept.toPrefixes(), told }
}

test('another node on the link, and a network within a larger one of ours, are sent into the tunnel', () => {
  const { isRouted, kept, told } = plan({ b: ['192.168.1.7/32', '192.168.1.128/25', '2001:db8:1::7/128'] })
  for (const address of ['192.168.1.7', '192.168.1.200', '2001:db8:1::7']) assert.ok(isRouted(address))
  assert.ok(!isRouted('192.168.1.8'))
  assert.deepEqual(told, [])
  assert.deepEqual(kept, ['10.1.1.1/32', '192.168.1.1/32'])
})

for (const claim of ['192.168.0.0/16', '192.168.1.0/24', '0.0.0.0/0'])
  test(`${claim} takes nobody's link away, and nodes on it stay in the tunnel`, () => {
    const { isRouted, kept, told } = plan({ typo: [claim], b: ['192.168.1.7/32'] })
    assert.deepEqual(
      ['192.168.1.1', '192.168.1.8', '192.168.1.7'].map((address) => isRouted(address)),
      [false, false, true],
    )
    assert.equal(isRouted('192.168.2.1'), claim !== '192.168.1.0/24')
    assert.ok(!kept.some((prefix) => prefix === '192.168.1.7/32'))
    const network = told.find(({ prefix }) => prefix === '192.168.1.0/24')
    assert.deepEqual(network, {
      prefix: '192.168.1.0/24',
      what: 'on link eth0',
      claimed: [{ prefix: claim, labels: ['typo'] }],
    })
  })

test('who claims everything leaves every link, neighbour and container of this host alone', () => {
  const { isRouted } = plan({ exit: ['0.0.0.0/0', '::/0'] })
  for (const address of ['192.168.1.1', '10.1.1.1', '172.17.0.9', '10.55.0.2', '2001:db8:1::9'])
    assert.ok(!isRouted(address), address)
  for (const address of ['1.1.1.1', '10.1.1.2', '172.18.0.1', '2001:db8:2::1'])
    assert.ok(isRouted(address), address)
})

test('a route to one address leads to another node, and a broader claim does not take it', () => {
  assert.ok(plan({ b: ['10.55.0.2/32'] }).isRouted('10.55.0.2'))
  assert.ok(!plan({ c: ['10.55.0.0/24'] }).isRouted('10.55.0.2'))
  const both = plan({ b: ['10.55.0.2/32'], c: ['10.55.0.0/24'] })
  assert.ok(both.isRouted('10.55.0.2'))
  assert.ok(!both.kept.some((prefix) => prefix === '10.55.0.2/32'), 'it may send from there, too')
})

test('a neighbour that a peer was found to be is that peer', () => {
  const claims = { router: [`${GATEWAY}/32`] }
  const before = plan(claims)
  assert.ok(!before.isRouted(GATEWAY))
  assert.deepEqual(before.told, [
    {
      prefix: `${GATEWAY}/32`,
      what: 'gateway and name server of eth0',
      claimed: [{ prefix: `${GATEWAY}/32`, labels: ['router'] }],
    },
  ])
  const after = plan(claims, { proofs: new Map([[GATEWAY, 'key']]) })
  assert.ok(after.isRouted(GATEWAY))
  assert.deepEqual([after.told, after.kept], [[], ['10.1.1.1/32']])
})

test('an address of this host that others claim is told, and stays routed for when it moves', () => {
  const { isRouted, told } = plan({ b: ['192.168.1.5/32'], c: ['192.168.1.5/32'] })
  assert.ok(isRouted('192.168.1.5'))
  assert.deepEqual(describeLocalClaims(told), [
    'b, c claim 192.168.1.5/32, which is local to this host: an address of this host itself; it is not sent to the mesh',
  ])
})

test('very much that is claimed is told in few lines', () => {
  const own = Array.from({ length: 30 }, (_, index) => `10.9.0.${index + 1}` as Address)
  const { told } = plan({ b: own.map((address) => `${address}/32`) }, { ownAddresses: own })
  const lines = describeLocalClaims(told)
  assert.equal(lines.length, 11)
  assert.match(lines.at(-1) ?? '', /^20 more /)
})

const prove = (said: Parameters<typeof statusOf>[0], before = NO_PROOFS) =>
  proveNeighbours({
    before,
    surroundings: SURROUNDINGS,
    statuses: new Map([['router', statusOf(said)]]),
    claimants: findClaimants(SURROUNDINGS, new Map([['router', [`${GATEWAY}/32`] as Prefix[]]])),
  })
const at = (endpoint: string) => ({ state: 'up' as const, endpoint: endpoint as AddressPort })

test('a peer is the gateway when it is up at its address, or on its link', () => {
  for (const endpoint of ['192.168.1.1:51820', '192.168.1.9:40000', '[2001:db8:1::1]:51820'])
    assert.deepEqual([...prove(at(endpoint))], [[GATEWAY, 'router']], endpoint)
  for (const endpoint of ['203.0.113.7:51820', '172.17.0.1:51820', '10.55.0.2:51820'])
    assert.equal(prove(at(endpoint)).size, 0, endpoint)
})

test('where a peer is only looked for proves nothing', () => {
  assert.equal(prove({ ...at('192.168.1.1:51820'), state: 'unknown' }).size, 0)
  const elsewhere = { ...at('192.168.1.1:51820'), heardFrom: '203.0.113.7:51820' as AddressPort }
  assert.equal(prove(elsewhere).size, 0)
})

test('what was proven stays so while the peer is down or elsewhere, and is the same value', () => {
  const proven = prove(at('192.168.1.1:51820'))
  assert.equal(prove({ state: 'down' }, proven), proven)
  assert.equal(prove(at('203.0.113.7:51820'), proven), proven)
  const gone = proveNeighbours({
    ...{ before: proven, surroundings: SURROUNDINGS, statuses: new Map(), claimants: new Map() },
  })
  assert.equal(gone.size, 0)
})
