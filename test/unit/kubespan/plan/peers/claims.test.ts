import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planClaims } from '../../../../../kubespan/plan/peers/claims.ts'
import { type Address, type Prefix, prefixOf } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const [key, otherKey] = [Buffer.alloc(32, 1).toString('base64'), Buffer.alloc(32, 2).toString('base64')]
const ownKey = Buffer.alloc(32, 3).toString('base64')
const address = 'fd00:0:0:2::1' as Address
const prefixes = (...texts: string[]) => texts as Prefix[]

const outcome = (...affiliates: Parameters<typeof affiliateOf>[0][]) => {
  const { claims, refusals } = planClaims(affiliates.map(affiliateOf), 'local', ownKey)
  return {
    claims: claims.map(({ affiliate, prefixes: claimed }) => [affiliate.nodeId, ...claimed]),
    refusals: refusals.map(({ nodeId, kind }) => [nodeId, kind]),
  }
}

test('claims come in the byte order of the ids, with masked and distinct prefixes', () => {
  const additionalAddresses = prefixes('10.1.2.3/16', '10.1.0.0/16', 'fd00:0:0:2::1/128')
  assert.deepEqual(
    outcome(
      { nodeId: 'a', publicKey: key, address, additionalAddresses },
      { nodeId: 'B', publicKey: otherKey, address },
    ),
    {
      claims: [
        ['B', 'fd00:0:0:2::1/128'],
        ['a', '10.1.0.0/16', 'fd00:0:0:2::1/128'],
      ],
      refusals: [],
    },
  )
})

test('we, and affiliates without a key, claim nothing', () => {
  const said = { address, addresses: ['10.0.0.1'] as Address[] }
  assert.deepEqual(outcome({ nodeId: 'local', publicKey: key, ...said }, { nodeId: 'a', ...said }), {
    claims: [],
    refusals: [],
  })
})

test('a key has one owner: the lowest id that can be a peer', () => {
  const { claims, refusals } = outcome(
    { nodeId: 'a', publicKey: key },
    { nodeId: 'b', publicKey: key, address },
    { nodeId: 'c', publicKey: key, address },
  )
  assert.deepEqual(claims, [['b', 'fd00:0:0:2::1/128']])
  assert.deepEqual(refusals, [
    ['a', 'no address'],
    ['c', 'taken key'],
  ])
})

test('our own key is never the key of a peer', () => {
  const { claims, refusals } = outcome({ nodeId: 'a', publicKey: ownKey, address })
  assert.deepEqual([claims, refusals], [[], [['a', 'taken key']]])
})

test('a key that WireGuard would refuse is refused before it spoils the configuration of all', () => {
  for (const publicKey of ['x', key.slice(0, -1), `${key}=`, `${key.slice(0, -2)}F=`, key.replace('B', '\n')])
    assert.deepEqual(outcome({ nodeId: 'a', publicKey, address }), {
      claims: [],
      refusals: [['a', 'invalid key']],
    })
})

test('an impossible prefix goes alone, one among the exclusions too', () => {
  const { claims, refusals } = outcome({
    nodeId: 'a',
    publicKey: key,
    address,
    additionalAddresses: [prefixOf('10.9.0.0' as Address, 40), ...prefixes('10.8.0.0/16')],
    excludeAdvertisedNetworks: [prefixOf('::' as Address, 129), ...prefixes('10.8.128.0/17')],
  })
  assert.deepEqual(claims, [['a', '10.8.0.0/17', 'fd00:0:0:2::1/128']])
  assert.deepEqual(refusals, [
    ['a', 'invalid prefix'],
    ['a', 'invalid prefix'],
  ])
})

test('exclusions split what they hit, and cannot take the KubeSpan address', () => {
  const said = { nodeId: 'a', publicKey: key, address, addresses: ['10.0.0.4'] as Address[] }
  const some = {
    additionalAddresses: prefixes('10.0.0.0/30'),
    excludeAdvertisedNetworks: prefixes('10.0.0.1/32'),
  }
  assert.deepEqual(outcome({ ...said, ...some }).claims, [
    ['a', '10.0.0.0/32', '10.0.0.2/31', '10.0.0.4/32', 'fd00:0:0:2::1/128'],
  ])
  const all = { excludeAdvertisedNetworks: prefixes('::/0', '0.0.0.0/0') }
  assert.deepEqual(outcome({ ...said, ...all }).claims, [['a', 'fd00:0:0:2::1/128']])
})
