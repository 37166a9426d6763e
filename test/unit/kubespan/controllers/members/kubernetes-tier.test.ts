import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { type TestContext, test } from 'node:test'
import { parseConfig } from '../../../../../kubespan/config/parse.ts'
import {
  KubernetesTier,
  systemKubernetesTier,
} from '../../../../../kubespan/controllers/members/kubernetes-tier.ts'
import type { Settings } from '../../../../../kubespan/model/settings.ts'
import { ANNOTATION } from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { FakeKubernetes, rawNode } from '../../../../support/kubernetes/fake-api.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')
const LOCAL = affiliateOf({ nodeId: 'me', publicKey: 'key=' })

async function world(t: TestContext) {
  const directory = await mkdtemp(`${tmpdir()}/openspan-tier-`)
  t.after(() => rm(directory, { recursive: true }))
  const api = new FakeKubernetes()
  api.put(rawNode('box', { annotations: { theirs: 'stays' } }))
  const clock = new ManualClock()
  let dialled = 0
  const tier = new KubernetesTier({
    clock,
    random: () => 0.5,
    log: { info: () => {}, warn: () => {} },
    onChange: () => {},
    dial: () => {
      dialled += 1
      return api
    },
    resolve: async () => [],
    machineId: async () => '',
  })
  const settings = (registry: string | undefined, enabled = true): Settings => {
    const documents = [
      `{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: ${enabled}}`,
      `{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: c, clusterSecret: "${SECRET}"}`,
      '{apiVersion: v1alpha1, kind: DiscoveryServiceConfig, name: one, endpoint: "http://d"}',
      `{apiVersion: v1alpha1, kind: NodeConfig, hostname: box, stateDirectory: ${directory}}`,
      ...(registry === undefined
        ? []
        : [`{apiVersion: v1alpha1, kind: KubernetesRegistryConfig${registry}}`]),
    ]
    const parsed = parseConfig('c.yaml', documents.join('\n---\n'), { hostname: 'x', operatingSystem: '' })
    assert.deepEqual(parsed.problems, [])
    return parsed.settings
  }
  const annotations = () => api.nodes.get('box')?.metadata?.annotations
  return { tier, api, clock, settings, annotations, dialled: () => dialled }
}
const reportOf = ({ report }: KubernetesTier) => report
/** Real files are read on the way, so that turns of the event loop are not enough. */
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what() && tries < 2000; tries++) await new Promise((done) => setTimeout(done, 1))
  assert.ok(what())
}
const isAnnotated = (annotations: () => object | null | undefined) => (): boolean =>
  Object.keys(annotations() ?? {}).includes(ANNOTATION.nodeId)

test('off by default; on, changed and off again by configuration', async (t) => {
  const { tier, settings, annotations, dialled, api } = await world(t)
  await using _tier = tier
  await tier.follow(settings(undefined), 'me')
  assert.equal(reportOf(tier), undefined)
  assert.equal(dialled(), 0)

  await tier.follow(settings(''), 'me')
  tier.publish(LOCAL)
  await until(isAnnotated(annotations))
  assert.equal(tier.report?.isSynced, true)
  await tier.follow(settings(''), 'me')
  assert.equal(dialled(), 1, 'the same settings need no new registry')

  await tier.follow(settings(', nodeName: box'), 'me')
  assert.equal(dialled(), 2)
  await until(() => tier.report?.isSynced === true && api.watchers === 1)
  assert.ok(isAnnotated(annotations)(), 'a change takes nothing back')

  await tier.follow(settings(undefined), 'me')
  assert.equal(tier.report, undefined)
  await until(() => !isAnnotated(annotations)())
  assert.deepEqual(annotations(), { theirs: 'stays' })
  await until(() => api.watchers === 0)
})

for (const [what, registry, enabled] of [
  ['the registry', ', enabled: false', true],
  ['KubeSpan', '', false],
] as const)
  test(`what ${what} left behind when it was turned off while we did not run is taken back`, async (t) => {
    const { tier, settings, annotations, api } = await world(t)
    await using _tier = tier
    api.put(rawNode('box', { annotations: { theirs: 'stays', [ANNOTATION.nodeId]: 'me' } }))
    await tier.follow(settings(registry, enabled), 'me')
    await until(() => !isAnnotated(annotations)())
    assert.deepEqual(annotations(), { theirs: 'stays' })
    assert.equal(tier.report, undefined)
    await until(() => api.watchers === 0)
  })

test('turned on again before it could take back, it does not', async (t) => {
  const { tier, settings, annotations, api, clock } = await world(t)
  await using _tier = tier
  await tier.follow(settings(''), 'me')
  tier.publish(LOCAL)
  await until(isAnnotated(annotations))
  api.fault = new Error('down')
  await tier.follow(settings(', enabled: false'), 'me')
  await tier.follow(settings(''), 'me')
  api.fault = undefined
  await clock.advance(60_000)
  await until(() => tier.report?.isConnected === true)
  assert.ok(isAnnotated(annotations)())
})

test('what it watches it can watch over another connection', async (t) => {
  const { tier, settings, api } = await world(t)
  await using _tier = tier
  tier.redial()
  await tier.follow(settings(''), 'me')
  await until(() => api.watchers === 1)
  assert.equal(api.redials, 0)
  tier.redial()
  assert.equal(api.redials, 1)
  await until(() => api.watchers === 1)
})

test('leaving takes the annotations back, or says that it could not', async (t) => {
  const { tier, settings, annotations, api, clock } = await world(t)
  await using _tier = tier
  assert.equal(await tier.leave(1000), true, 'nothing to leave')
  await tier.follow(settings(''), 'me')
  tier.publish(LOCAL)
  await until(isAnnotated(annotations))
  api.forbids = (verb) => verb === 'patch'
  const first = tier.leave(1000)
  await clock.advance(1000)
  assert.equal(await first, false)
  api.forbids = undefined
  const second = tier.leave(60_000)
  await clock.advance(30_000)
  assert.equal(await second, true)
  assert.deepEqual(annotations(), { theirs: 'stays' })
})

test('the real one waits for credentials without failing', async (t) => {
  const { settings, clock } = await world(t)
  await using tier = systemKubernetesTier({
    clock,
    log: { info: () => {}, warn: () => {} },
    onChange: () => {},
  })
  await tier.follow(settings(', kubeconfig: /does/not/exist'), 'me')
  await until(() => tier.report?.problem?.includes('there is no kubeconfig at /does/not/exist') === true)
})
