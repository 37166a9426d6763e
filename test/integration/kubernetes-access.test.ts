import assert from 'node:assert/strict'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ANNOTATION } from '../../kubespan/sources/kubernetes/annotations.ts'
import { ApiServer } from '../support/kubernetes/api-server.ts'
import { kubernetesBinaries } from '../support/kubernetes/binaries.ts'
import { applyManifest, boundToken, manifestObjects, podToken } from '../support/kubernetes/manifest.ts'

const binaries = await kubernetesBinaries()
const skip = typeof binaries === 'string' ? binaries : false

test('what the manifest allows, and nothing else', { skip }, async (t) => {
  if (typeof binaries === 'string') return
  const directory = await mkdtemp(join(tmpdir(), 'openspan-kubernetes-'))
  await using server = await ApiServer.start(binaries, { directory })
  await applyManifest(server)
  for (const name of ['n1', 'n2'])
    await server.ask('POST', '/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, annotations: { theirs: 'stays' }, labels: { role: 'worker' } },
      spec: { podCIDR: '10.244.1.0/24', podCIDRs: ['10.244.1.0/24'] },
    })
  await server.ask('POST', '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes' },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
    ports: [{ name: 'https', port: 6443, protocol: 'TCP' }],
  })
  const token = await podToken(server, 'n1')
  const ask = (method: string, path: string, body?: unknown, type?: string) =>
    server.call(method, path, body, { token, ...(type && { type }) })
  const annotate = (node: string, annotations: Record<string, string | null>, as = token) =>
    server.call('PATCH', `/api/v1/nodes/${node}`, { metadata: { annotations } }, { token: as })

  // The API server takes a moment to know a new policy and new roles.
  for (
    let tries = 0;
    (await annotate('n2', { [ANNOTATION.nodeId]: 'x' })).status !== 403 && tries < 300;
    tries++
  )
    await sleep(100)
  for (
    let tries = 0;
    (await annotate('n1', { [ANNOTATION.nodeId]: 'x' })).status !== 200 && tries < 300;
    tries++
  )
    await sleep(100)

  await t.test('reading', async () => {
    const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
    for (const [path, want] of [
      ['/api/v1/nodes', 200],
      ['/api/v1/nodes/n2', 200],
      ['/api/v1/nodes?watch=1&resourceVersion=0&timeoutSeconds=1', 200],
      [`${slices}/kubernetes`, 200],
      [`${slices}?watch=1&fieldSelector=metadata.name%3Dkubernetes&timeoutSeconds=1`, 200],
      [slices, 403],
      [`${slices}/other`, 403],
      [`${slices}?watch=1&timeoutSeconds=1`, 403],
      ['/api/v1/secrets', 403],
      ['/api/v1/namespaces/kubespan/secrets/kubespan', 403],
      ['/api/v1/pods', 403],
      ['/api/v1/nodes/n1/proxy/', 403],
    ] as const)
      assert.equal((await ask('GET', path)).status, want, path)
  })

  await t.test('its own annotations on its own Node', async () => {
    const all = Object.fromEntries(Object.values(ANNOTATION).map((key) => [key, 'value']))
    assert.equal((await annotate('n1', all)).status, 200)
    const { body } = await ask('GET', '/api/v1/nodes/n1')
    assert.deepEqual(body.metadata.annotations, { ...all, theirs: 'stays' })
    const none = Object.fromEntries(Object.values(ANNOTATION).map((key) => [key, null]))
    const cleared = await annotate('n1', none)
    assert.equal(cleared.status, 200)
    assert.deepEqual(cleared.body.metadata.annotations, { theirs: 'stays' })
  })

  await t.test('not those of another Node', async () => {
    const { status, body } = await annotate('n2', { [ANNOTATION.publicKey]: 'mine' })
    assert.equal(status, 403)
    assert.match(body.message, /no Node but the one that its token is bound to/)
  })

  await t.test('no other annotation: not set, not changed, not removed', async () => {
    for (const annotations of [{ more: 'x' }, { theirs: 'changed' }, { theirs: null }]) {
      const { status, body } = await annotate('n1', annotations)
      assert.equal(status, 403, JSON.stringify(annotations))
      assert.match(body.message, /no annotations but its own/)
    }
  })

  await t.test('nothing else of a Node', async () => {
    const patch = (body: object, path = '/api/v1/nodes/n1') => ask('PATCH', path, body)
    for (const body of [
      { spec: { unschedulable: true } },
      { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } },
      { spec: { providerID: 'aws:///x' } },
      { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } },
      { metadata: { labels: { role: null } } },
      { metadata: { finalizers: ['example.com/f'] } },
      { metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u' }] } },
    ]) {
      const { status, body: answer } = await patch(body)
      assert.equal(status, 403, JSON.stringify(body))
      assert.match(answer.message, /nothing of a Node but annotations/)
    }
    assert.equal((await patch({ status: { phase: 'x' } }, '/api/v1/nodes/n1/status')).status, 403)
    assert.equal((await ask('PUT', '/api/v1/nodes/n1', {})).status, 403)
    assert.equal((await ask('DELETE', '/api/v1/nodes/n1')).status, 403)
    assert.equal((await ask('POST', '/api/v1/nodes', {})).status, 403)
  })

  await t.test('all ways of patching are one', async () => {
    const json = [{ op: 'add', path: '/spec/unschedulable', value: true }]
    assert.equal((await ask('PATCH', '/api/v1/nodes/n1', json, 'application/json-patch+json')).status, 403)
    const applied = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1', annotations: { more: 'x' } } }
    const path = '/api/v1/nodes/n1?fieldManager=kubespan'
    assert.equal((await ask('PATCH', path, applied, 'application/apply-patch+yaml')).status, 403)
  })

  await t.test('a token without a Node may change none, one bound to a Node may change that', async () => {
    const loose = await boundToken(server)
    assert.equal((await annotate('n1', { [ANNOTATION.nodeId]: 'x' }, loose)).status, 403)
    const { body } = await ask('GET', '/api/v1/nodes/n2')
    const bound = await boundToken(server, {
      kind: 'Node',
      apiVersion: 'v1',
      name: 'n2',
      uid: body.metadata.uid,
    })
    assert.equal((await annotate('n2', { [ANNOTATION.nodeId]: 'x' }, bound)).status, 200)
    assert.equal((await annotate('n1', { [ANNOTATION.nodeId]: 'x' }, bound)).status, 403)
  })

  await t.test('others are not concerned', async () => {
    const { status } = await server.call('PATCH', '/api/v1/nodes/n2', { metadata: { labels: { a: 'b' } } })
    assert.equal(status, 200)
  })
})

test('the policy names the annotations that are written, and no others', async () => {
  const policy = (await manifestObjects()).find(({ kind }) => kind === 'ValidatingAdmissionPolicy')
  const { spec } = policy as unknown as {
    spec: { variables: readonly { readonly name: string; readonly expression: string }[] }
  }
  const text = spec.variables.find(({ name }) => name === 'keys')?.expression ?? ''
  assert.deepEqual(
    [...text.matchAll(/'([^']+)'/g)].map(([, key]) => key).sort(),
    Object.values(ANNOTATION).sort(),
  )
})
