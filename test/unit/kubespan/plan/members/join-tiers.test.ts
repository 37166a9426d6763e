import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubernetesReport } from '../../../../../kubespan/model/kubernetes.ts'
import { joinTiers, type TiersInput } from '../../../../../kubespan/plan/members/join-tiers.ts'
import { mergeAffiliates } from '../../../../../kubespan/plan/members/merge-affiliates.ts'
import type { UnitedServices } from '../../../../../kubespan/plan/members/unite-services.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const services = (change: Partial<UnitedServices> = {}): UnitedServices => ({
  raw: [],
  vouchers: new Map(),
  explicitDeletions: new Set(),
  farewells: [],
  isComplete: true,
  ...change,
})
const serviceWith = (...ids: string[]): UnitedServices =>
  services({
    raw: ids.map((nodeId) => ({
      rawId: `service/${nodeId}`,
      affiliate: affiliateOf({ nodeId, hostname: 'from the service' }),
    })),
    vouchers: new Map(ids.map((nodeId) => [nodeId, ['one']])),
  })
const kubernetes = (ids: readonly string[], change: Partial<KubernetesReport> = {}): KubernetesReport => ({
  isSynced: true,
  hasCredentials: true,
  isConnected: true,
  lastContactAt: 1,
  endpoint: undefined,
  affiliates: new Map(
    ids.map((nodeId) => [nodeId, affiliateOf({ nodeId, hostname: 'from k8s', nodename: 'n' })]),
  ),
  doubles: [],
  departures: new Set(),
  own: undefined,
  apiServers: [],
  problem: undefined,
  ...change,
})
const join = (change: Partial<TiersInput>) =>
  joinTiers({
    services: services(),
    hasServices: true,
    kubernetes: undefined,
    isPatient: false,
    ...change,
  })

test('both tiers are folded, the service over the Node, and each is named', () => {
  const { raw, sources } = join({ services: serviceWith('a', 'b'), kubernetes: kubernetes(['b', 'c']) })
  assert.deepEqual(
    mergeAffiliates(raw).map(({ nodeId, hostname, nodename }) => [nodeId, hostname, nodename]),
    [
      ['a', 'from the service', ''],
      ['b', 'from the service', 'n'],
      ['c', 'from k8s', 'n'],
    ],
  )
  assert.deepEqual([...sources].sort(), [
    ['a', ['service/one']],
    ['b', ['k8s', 'service/one']],
    ['c', ['k8s']],
  ])
})

test('either tier alone is enough', () => {
  assert.equal(join({ services: serviceWith('a') }).raw.length, 1)
  const only = join({
    hasServices: false,
    services: services({ isComplete: false }),
    kubernetes: kubernetes(['a']),
    isPatient: true,
  })
  assert.equal(only.raw.length, 1)
  assert.equal(only.isComplete, true)
})

test('at the start nothing is missing before both have spoken, but one is not waited for for ever', () => {
  const silent = services({ isComplete: false })
  const unsynced = kubernetes([], { isSynced: false })
  for (const [input, isPatient, want] of [
    [{ services: services(), kubernetes: unsynced }, true, false],
    [{ services: services(), kubernetes: unsynced }, false, true],
    [{ services: silent, kubernetes: kubernetes([]) }, true, false],
    [{ services: silent, kubernetes: kubernetes([]) }, false, true],
    [{ services: silent, kubernetes: unsynced }, false, false],
    [{ services: services(), kubernetes: { ...unsynced, hasCredentials: false } }, true, true],
    [{ services: silent, kubernetes: { ...unsynced, hasCredentials: false } }, true, false],
    [{ services: services(), kubernetes: kubernetes([]) }, true, true],
    [{ services: services() }, true, true],
    [{ services: silent }, false, false],
    [{ services: silent, hasServices: false }, false, false],
  ] as const)
    assert.equal(join({ ...input, isPatient }).isComplete, want, JSON.stringify(input))
})

test('who left one tier and is in the other has not left', () => {
  const { explicitDeletions } = join({
    services: { ...serviceWith('a'), explicitDeletions: new Set(['b', 'c']) },
    kubernetes: kubernetes(['b'], { departures: new Set(['a', 'd']) }),
  })
  assert.deepEqual([...explicitDeletions].sort(), ['c', 'd'])
})
