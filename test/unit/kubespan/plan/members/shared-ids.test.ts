import assert from 'node:assert/strict'
import { test } from 'node:test'
import { followDoubles, type Trails } from '../../../../../kubespan/plan/members/doubles.ts'
import { describeSharedIds, type SharedIdsInput } from '../../../../../kubespan/plan/members/shared-ids.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const says = (nodeId: string, address: string) =>
  affiliateOf({
    ...{ nodeId, nodename: `at-${address}`, publicKey: 'key', address: 'fd00::1' as Address },
    addresses: [address as Address, 'fd00::1' as Address],
  })
const told = (said: Partial<SharedIdsInput>) =>
  describeSharedIds({
    ...{
      ownId: 'me',
      double: undefined,
      trails: new Map(),
      conflicts: [],
      nodes: [],
      now: 100_000,
      toldFor: 1_800_000,
    },
    ...said,
  })

test('that another machine uses our node id is an error of ours until nothing is seen of it', () => {
  const double = { affiliate: says('me', '192.0.2.9'), at: 100_000 }
  const [conflict, ...others] = told({ double })
  assert.deepEqual(others, [])
  assert.deepEqual([conflict?.kind, conflict?.isOwn, conflict?.nodeIds], ['node id', true, ['me']])
  assert.match(
    conflict?.says ?? '',
    /another machine uses the node id of this one, me: .* at-192\.0\.2\.9 \(192\.0\.2\.9\)\./,
  )
  assert.match(conflict?.mend ?? '', /kubespan reset-identity/)
  assert.deepEqual(told({ double, now: 1_900_000 }), [])
})

test('others tell of it in the same words whichever of the two spoke last', () => {
  const [one, other] = [says('x', '192.0.2.1'), says('x', '192.0.2.2')]
  let trails: Trails = new Map()
  const words = [one, other, one, other, one].flatMap((affiliate, place) => {
    trails = followDoubles({
      ...{ before: trails, affiliates: [affiliate], now: place * 5_000 },
      stampOf: () => undefined,
    })
    return told({ trails, now: place * 5_000 }).map((conflict) => conflict.says)
  })
  assert.equal(words.length, 2)
  assert.equal(new Set(words).size, 1)
  assert.match(
    words[0] ?? '',
    /two machines use the node id x: at-192\.0\.2\.1 \(192\.0\.2\.1\) and at-192\.0\.2\.2/,
  )
})

test('a key that two records claim is that of a copy', () => {
  const conflicts = [
    { kind: 'taken key', nodeId: 'x', ownerId: 'me' },
    { kind: 'taken key', nodeId: 'y', ownerId: 'z' },
    { kind: 'overlap', nodeId: 'y', ownerId: 'z' },
  ]
  const conflict = told({ conflicts })
  assert.deepEqual(
    conflict.map(({ kind, isOwn }) => [kind, isOwn]),
    [
      ['key', true],
      ['key', false],
    ],
  )
  assert.match(conflict[0]?.says ?? '', /affiliate x has the WireGuard key of this node/)
})

test('Nodes of Kubernetes with one id are of a copy or a renamed machine, and said to be either', () => {
  const nodes = [
    { nodeId: 'me', names: ['box', 'box-copy'] },
    { nodeId: 'x', names: ['a', 'b', 'c'] },
  ]
  const [own, other, ...more] = told({ nodes })
  assert.deepEqual(more, [])
  assert.deepEqual([own?.kind, own?.isOwn, own?.nodeIds], ['node id', true, ['me']])
  assert.match(
    own?.says ?? '',
    /^the Kubernetes Nodes box and box-copy carry one node id, that of this node, me: .*kubespan reset-identity.*kubectl delete node/,
  )
  assert.deepEqual([other?.isOwn, other?.nodeIds], [false, ['x']])
  assert.match(other?.says ?? '', /^the Kubernetes Nodes a, b and c carry one node id, x: /)
  assert.match(own?.mend ?? '', /kubespan reset-identity, .*kubectl delete node/)
})

test('what the services show of an id is not told twice', () => {
  const double = { affiliate: says('me', '192.0.2.9'), at: 100_000 }
  assert.equal(told({ double, nodes: [{ nodeId: 'me', names: ['a', 'b'] }] }).length, 1)
})
