import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NODE_MATCHERS } from '../../../../../kubespan/model/kubernetes.ts'
import { ANNOTATION, toAnnotations } from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import { ApiError, Redialled } from '../../../../../kubespan/sources/kubernetes/api.ts'
import { CredentialsError } from '../../../../../kubespan/sources/kubernetes/kubeconfig.ts'
import {
  KubernetesRegistry,
  type KubernetesRegistryOptions,
} from '../../../../../kubespan/sources/kubernetes/registry.ts'
import type { Remembered } from '../../../../../kubespan/sources/kubernetes/registry-memory.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { FakeKubernetes, rawNode } from '../../../../support/kubernetes/fake-api.ts'
import { ManualClock, settle } from '../../../../support/manual-clock.ts'

const LOCAL: Affiliate = affiliateOf({
  nodeId: 'me',
  nodename: 'box',
  publicKey: 'key=',
  address: 'fd00::1' as Address,
  addresses: ['192.0.2.1' as Address],
  endpoints: ['192.0.2.1:51820' as AddressPort],
})
const speaking = (name: string, nodeId: string) =>
  rawNode(name, { annotations: { [ANNOTATION.nodeId]: nodeId } })

function world(change: Partial<KubernetesRegistryOptions> = {}, api = new FakeKubernetes()) {
  const clock = new ManualClock()
  const lines: string[] = []
  const stored: Remembered[] = []
  let wakes = 0
  const registry = new KubernetesRegistry({
    api,
    clock,
    memory: {
      read: async () => undefined,
      write: async (remembered) => void stored.push(remembered),
    },
    backoff: (failures) => failures * 1000,
    resolve: async () => ['198.51.100.7' as Address],
    ownId: 'me',
    machine: { nodeName: undefined, hostnames: ['box'], machineId: '', providerId: '' },
    matchNodeBy: NODE_MATCHERS,
    onChange: () => {
      wakes += 1
    },
    log: {
      info: (_, text) => void lines.push(text),
      warn: (_, text) => void lines.push(`! ${text}`),
    },
    ...change,
  })
  const annotations = (name = 'box') => api.nodes.get(name)?.metadata?.annotations ?? {}
  return { registry, api, clock, lines, stored, annotations, wakes: () => wakes }
}
const ownNode = (registry: KubernetesRegistry) => registry.report.own
const quiet = async (): Promise<void> => {
  for (let turn = 0; turn < 8; turn++) await settle()
}

test('nothing is known before the first list is complete; then everybody but us is', async () => {
  const { registry, api } = world()
  api.put(speaking('box', 'me'))
  api.put(speaking('other', 'you'))
  assert.equal(registry.report.isSynced, false)
  assert.equal(registry.report.affiliates.size, 0)
  assert.equal(registry.report.problem, 'not connected yet')
  await using _registry = registry
  registry.start()
  await quiet()
  const { isSynced, isConnected, affiliates, own, problem, endpoint } = registry.report
  assert.deepEqual([isSynced, isConnected, problem], [true, true, undefined])
  assert.deepEqual([...affiliates.keys()], ['you'])
  assert.deepEqual(own, { name: 'box', podCidrs: [] })
  assert.equal(endpoint, '192.0.2.100:6443')
})

test('another Node that carries our node id is reported, and another pair as well', async () => {
  const { registry, api } = world()
  api.put(rawNode('box'))
  api.put(speaking('copy', 'me'))
  for (const name of ['other', 'renamed']) api.put(speaking(name, 'you'))
  await using _registry = registry
  registry.start()
  await quiet()
  assert.deepEqual(registry.report.doubles, [
    { nodeId: 'me', names: ['box', 'copy'] },
    { nodeId: 'you', names: ['other', 'renamed'] },
  ])
  api.put(rawNode('renamed'))
  await quiet()
  assert.deepEqual(
    registry.report.doubles.map(({ nodeId }) => nodeId),
    ['me'],
  )
})

test('our annotations are written once, and again only when something differs', async () => {
  const { registry, api, annotations } = world()
  api.put(rawNode('box', { annotations: { theirs: 'stays' } }))
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  const said = Object.fromEntries(Object.entries(toAnnotations(LOCAL)).filter(([, value]) => value !== ''))
  assert.deepEqual(annotations(), { theirs: 'stays', ...said })
  registry.publish(LOCAL)
  api.put({ ...api.nodes.get('box'), status: {} })
  api.endWatches()
  await quiet()
  assert.equal(api.patches.length, 1)

  registry.publish({ ...LOCAL, kubespan: { ...LOCAL.kubespan, endpoints: [] } })
  await quiet()
  assert.deepEqual(api.patches[1]?.patch, { metadata: { annotations: { [ANNOTATION.endpoints]: null } } })
})

test('a Node without any annotation takes ours', async () => {
  const { registry, api, annotations } = world()
  api.put({ metadata: { name: 'box' } })
  await using _registry = registry
  registry.publish(LOCAL)
  registry.start()
  await quiet()
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
})

test('what somebody else changes on our Node is put right', async () => {
  const { registry, api, annotations } = world()
  api.put(rawNode('box'))
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  api.put(rawNode('box', { annotations: { [ANNOTATION.publicKey]: 'somebody else’s' } }))
  await quiet()
  assert.equal(annotations()[ANNOTATION.publicKey], 'key=')
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
})

test('a Node that is deleted and made anew is followed: pod networks, annotations', async () => {
  const { registry, api, annotations } = world()
  api.put(rawNode('box', { podCIDRs: ['10.244.1.0/24', 'fd01::/64'] }))
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  assert.deepEqual(ownNode(registry)?.podCidrs, ['10.244.1.0/24', 'fd01::/64'])
  api.remove('box')
  await quiet()
  assert.equal(ownNode(registry), undefined)
  assert.match(registry.report.problem ?? '', /no Node is this machine/)
  api.put(rawNode('box', { podCIDRs: ['10.244.9.0/24'] }))
  await quiet()
  assert.deepEqual(ownNode(registry)?.podCidrs, ['10.244.9.0/24'])
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
  assert.equal(registry.report.problem, undefined)
})

test('an API server that goes away changes nothing, and is told once', async () => {
  const { registry, api, clock, lines } = world()
  api.put(rawNode('box', { podCIDRs: ['10.244.1.0/24'] }))
  api.put(speaking('other', 'you'))
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  api.fault = new Error('connect ECONNREFUSED 192.0.2.100:6443')
  api.endWatches(api.fault)
  await clock.advance(60_000)
  const { isSynced, isConnected, affiliates, own, problem } = registry.report
  assert.deepEqual([isSynced, isConnected], [true, false])
  assert.deepEqual([...affiliates.keys()], ['you'])
  assert.deepEqual(own?.podCidrs, ['10.244.1.0/24'])
  assert.match(problem ?? '', /ECONNREFUSED/)
  assert.equal(lines.filter((line) => line === '! kubernetes API connection lost').length, 1)

  api.put(speaking('third', 'she'))
  api.fault = undefined
  await clock.advance(60_000)
  assert.equal(registry.report.isConnected, true)
  assert.equal(api.lists, 1, 'the watch goes on where it was')
  assert.deepEqual([...registry.report.affiliates.keys()], ['you', 'she'])
})

test('on another connection everything goes on where it was, at once and without a complaint', async () => {
  const { registry, api, clock, lines, annotations } = world()
  await using _registry = registry
  registry.start()
  await quiet()
  const annotate = api.annotate.bind(api)
  api.annotate = async () => {
    api.annotate = annotate
    throw new Redialled()
  }
  api.put(rawNode('box'))
  registry.publish(LOCAL)
  registry.redial()
  api.put(speaking('other', 'you'))
  await quiet()
  await clock.advance(0)
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
  assert.equal(api.watchers, 1)
  assert.deepEqual([...registry.report.affiliates.keys()], ['you'])
  assert.equal(registry.report.isConnected, true)
  assert.equal(api.lists, 1)
  assert.deepEqual(
    lines.filter((line) => line.startsWith('!')),
    [],
  )
})

test('a watch that cannot go on starts over with the list', async () => {
  const { registry, api, clock } = world()
  api.put(speaking('other', 'you'))
  await using _registry = registry
  registry.start()
  await quiet()
  api.endWatches(new Error('cut'))
  await quiet()
  api.remove('other')
  api.put(speaking('third', 'she'))
  api.compact()
  api.put(speaking('fourth', 'he'))
  await clock.advance(10_000)
  assert.equal(api.lists, 2)
  assert.deepEqual([...registry.report.affiliates.keys()], ['she', 'he'])
  assert.deepEqual([...registry.report.departures], ['you'])
  assert.equal(registry.report.isConnected, true)
})

test('a server that ends every watch at once is not asked without a pause', async () => {
  const { registry, api, clock } = world()
  await using _registry = registry
  registry.start()
  await quiet()
  api.endWatches()
  await quiet()
  assert.equal(api.watchers, 0)
  assert.match(registry.report.problem ?? '', /ended the watch at once/)
  await clock.advance(1000)
  assert.equal(api.watchers, 1)
  await clock.advance(5000)
  api.endWatches()
  await quiet()
  assert.equal(api.watchers, 1, 'after a while it is')
})

test('retracting takes our annotations back and keeps them off', async () => {
  const { registry, api, annotations } = world()
  api.put(rawNode('box', { annotations: { theirs: 'stays' } }))
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  await registry.retract()
  assert.deepEqual(annotations(), { theirs: 'stays' })
  registry.publish(LOCAL)
  await quiet()
  assert.deepEqual(annotations(), { theirs: 'stays' })
})

test('retracting waits for the API server, and ends when there is no Node of ours', async () => {
  const { registry, api, clock } = world()
  api.fault = new Error('down')
  await using _registry = registry
  registry.start()
  let isDone = false
  const retracted = registry.retract().then(() => {
    isDone = true
  })
  await quiet()
  assert.equal(isDone, false)
  api.fault = undefined
  await clock.advance(10_000)
  await retracted
})

test('a refused patch is told, tried again, and forgotten when it passes', async () => {
  const { registry, api, clock, lines, annotations } = world()
  api.put(rawNode('box'))
  api.forbids = (verb) => verb === 'patch'
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await clock.advance(10_000)
  assert.match(registry.report.problem ?? '', /our annotations are not written: HTTP 403/)
  assert.equal(lines.filter((line) => line === '! own kubernetes node not patched').length, 1)
  api.forbids = undefined
  await clock.advance(10_000)
  assert.equal(registry.report.problem, undefined)
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
})

test('who may not list the Nodes still writes on its own, as kubelets may', async () => {
  const { registry, api, clock, annotations } = world()
  api.put(rawNode('box', { podCIDRs: ['10.244.1.0/24'] }))
  api.put(speaking('other', 'you'))
  api.forbids = (verb, name) => verb !== 'patch' && name !== 'box'
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
  const { isSynced, own, affiliates, problem } = registry.report
  assert.equal(isSynced, false)
  assert.deepEqual(own, { name: 'box', podCidrs: ['10.244.1.0/24'] })
  assert.equal(affiliates.size, 0)
  assert.match(problem ?? '', /cannot list/)

  api.put(rawNode('box', { podCIDRs: ['10.244.2.0/24'] }))
  await clock.advance(60_000)
  assert.deepEqual(ownNode(registry)?.podCidrs, ['10.244.2.0/24'])
  assert.equal(annotations()[ANNOTATION.nodeId], 'me')
})

test('a configured Node that does not exist is asked for by its own name alone', async () => {
  const { registry, api } = world({
    machine: { nodeName: 'Worker', hostnames: ['box'], machineId: '', providerId: '' },
  })
  api.put(rawNode('box'))
  api.forbids = (verb) => verb === 'list'
  await using _registry = registry
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  assert.equal(api.patches.length, 0)
  assert.ok(api.gets > 0)
})

test('our Node is found by address once our addresses are known', async () => {
  const { registry, api, annotations } = world()
  api.put(rawNode('ip-192-0-2-1', { internalIp: '192.0.2.1' }))
  await using _registry = registry
  registry.start()
  await quiet()
  assert.equal(ownNode(registry), undefined)
  registry.publish(LOCAL)
  await quiet()
  assert.equal(ownNode(registry)?.name, 'ip-192-0-2-1')
  assert.equal(annotations('ip-192-0-2-1')[ANNOTATION.nodeId], 'me')
})

test('where the API servers are: behind the Service, and apart from these as a name server says', async () => {
  const { registry, api, clock } = world()
  api.server = new URL('https://api.example')
  api.putSlice(['192.0.2.50', '192.0.2.51'])
  await using _registry = registry
  registry.start()
  await quiet()
  assert.deepEqual(registry.report.apiServers, ['192.0.2.50:6443', '192.0.2.51:6443'])
  api.putSlice(['192.0.2.52'])
  await quiet()
  assert.deepEqual(registry.report.apiServers, ['192.0.2.52:6443'])
  api.putSlice([])
  await quiet()
  assert.deepEqual(registry.report.apiServers, ['192.0.2.52:6443'])
  api.endWatches(new ApiError(410, 'gone'))
  api.putSlice(['192.0.2.53'])
  await quiet()
  await clock.advance(5000)
  assert.deepEqual(registry.report.apiServers, ['192.0.2.53:6443'])
  assert.deepEqual(registry.report.resolvedApiServers, ['198.51.100.7:443'])
})

test('a slice that may not be read is asked for rarely, one that cannot be read soon', async () => {
  const refused = world()
  await using _refused = refused.registry
  refused.registry.start()
  await refused.clock.advance(60_000)
  refused.api.putSlice(['192.0.2.50'])
  await refused.clock.advance(60_000)
  assert.deepEqual(refused.registry.report.apiServers, ['192.0.2.100:6443'])
  await refused.clock.advance(600_000)
  assert.deepEqual(refused.registry.report.apiServers, ['192.0.2.100:6443', '192.0.2.50:6443'])

  const down = world()
  down.api.fault = new Error('down')
  down.api.putSlice(['192.0.2.50'])
  await using _down = down.registry
  down.registry.start()
  await quiet()
  down.api.fault = undefined
  await down.clock.advance(2000)
  assert.deepEqual(down.registry.report.apiServers, ['192.0.2.100:6443', '192.0.2.50:6443'])
})

test('what must be known before the API server can be asked is stored, and good until it is known anew', async () => {
  const first = world()
  first.api.put(rawNode('box', { podCIDRs: ['10.244.1.0/24'] }))
  first.api.putSlice(['192.0.2.50'])
  first.registry.start()
  await quiet()
  await first.registry[Symbol.asyncDispose]()
  const remembered = first.stored.at(-1)
  assert.deepEqual(remembered, {
    nodeId: 'me',
    own: { name: 'box', podCidrs: ['10.244.1.0/24'] },
    apiServers: ['192.0.2.50:6443'],
  })

  const memory = { read: async () => remembered, write: async () => {} }
  const second = world({ memory })
  second.api.fault = new Error('down')
  await using _second = second.registry
  second.registry.start()
  await quiet()
  assert.deepEqual(second.registry.report.own, { name: 'box', podCidrs: ['10.244.1.0/24'] })
  assert.deepEqual(second.registry.report.apiServers, ['192.0.2.100:6443', '192.0.2.50:6443'])
  assert.equal(second.registry.report.isSynced, false)
  second.api.fault = undefined
  await second.clock.advance(5000)
  assert.equal(second.registry.report.own, undefined, 'there is no such Node any more')

  const stranger = world({ memory, ownId: 'you' })
  stranger.api.fault = new Error('down')
  await using _stranger = stranger.registry
  stranger.registry.start()
  await quiet()
  assert.equal(stranger.registry.report.own, undefined)
})

test('without credentials there is nothing to expect', async () => {
  const { registry, api, clock } = world()
  api.fault = new CredentialsError('there is no kubeconfig at /k')
  await using _registry = registry
  registry.start()
  await quiet()
  const before = registry.report
  assert.deepEqual([before.hasCredentials, before.problem], [false, 'there is no kubeconfig at /k'])
  api.fault = undefined
  await clock.advance(5000)
  const after = registry.report
  assert.deepEqual([after.hasCredentials, after.problem?.includes('kubeconfig')], [true, false])
})

test('a full disk is a warning', async () => {
  const { registry, api, lines } = world({
    memory: {
      read: async () => undefined,
      write: async () => {
        throw new Error('ENOSPC')
      },
    },
  })
  api.put(rawNode('box'))
  registry.start()
  await quiet()
  await registry[Symbol.asyncDispose]()
  assert.ok(lines.includes('! kubernetes state not stored'))
})

test('heartbeats wake nobody', async () => {
  const { registry, api, wakes } = world()
  api.put(speaking('other', 'you'))
  await using _registry = registry
  registry.start()
  await quiet()
  const before = wakes()
  for (let beat = 0; beat < 10; beat++) api.put({ ...speaking('other', 'you') })
  await quiet()
  assert.equal(wakes(), before)
})

test('nothing is left behind', async () => {
  const { registry, api, clock } = world()
  api.fault = new Error('down')
  registry.start()
  registry.publish(LOCAL)
  await quiet()
  await registry[Symbol.asyncDispose]()
  assert.equal(clock.armed, 0)
  assert.equal(api.watchers, 0)
})
