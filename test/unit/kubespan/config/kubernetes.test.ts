import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../../kubespan/config/parse.ts'
import { renderSettings, renderWriteKey } from '../../../../kubespan/config/show.ts'
import { KUBELET_KUBECONFIGS, NODE_MATCHERS } from '../../../../kubespan/model/kubernetes.ts'

const SECRET = Buffer.alloc(32, 7).toString('base64')
const identity = `apiVersion: v1alpha1\nkind: DiscoveryIdentityConfig\nclusterID: abc\nclusterSecret: ${SECRET}\n`
const mesh = 'apiVersion: v1alpha1\nkind: KubeSpanConfig\nenabled: true\n'
const registry = (fields: string): string => `apiVersion: v1alpha1\nkind: KubernetesRegistryConfig\n${fields}`
const parsed = (text: string, nodeName?: string) =>
  parseConfig('c.yaml', text, { hostname: 'box', operatingSystem: '', nodeName })
const file = (...documents: string[]): string => documents.join('---\n')

test('the registry alone is enough for KubeSpan', () => {
  const { settings, problems, origin } = parsed(file(mesh, identity, registry('kubeconfig: /etc/k\n')))
  assert.deepEqual(problems, [])
  assert.deepEqual(settings.services, [])
  assert.deepEqual(settings.kubernetes, {
    enabled: true,
    access: { kind: 'kubeconfig', files: ['/etc/k'], context: undefined },
    nodeName: undefined,
    matchNodeBy: NODE_MATCHERS,
    providerId: undefined,
  })
  assert.equal(origin.get('kubernetes.access'), 'c.yaml:10')
  assert.equal(origin.get('kubernetes.enabled'), undefined)
})

test('but not while it is off, nor without the secret that the tunnels need', () => {
  const off = parsed(file(mesh, identity, registry('enabled: false\n')))
  assert.match(off.problems.join(), /no discovery service is configured, and no Kubernetes registry/)
  const open = parsed(file(mesh, registry('inCluster: true\n')))
  assert.match(open.problems.join(), /KubeSpan needs a cluster id and secret/)
})

test('every field arrives', () => {
  const { settings, problems } = parsed(
    file(
      mesh,
      identity,
      registry(
        'kubeconfig: /k\ncontext: c\nnodeName: n\nmatchNodeBy: [providerID, name]\nproviderID: aws:///x\n',
      ),
    ),
    'from the pod',
  )
  assert.deepEqual(problems, [])
  assert.deepEqual(settings.kubernetes, {
    enabled: true,
    access: { kind: 'kubeconfig', files: ['/k'], context: 'c' },
    nodeName: 'n',
    matchNodeBy: ['providerID', 'name'],
    providerId: 'aws:///x',
  })
})

test('in a pod the node name comes from the pod', () => {
  const { settings } = parsed(file(mesh, identity, registry('inCluster: true\n')), 'worker-1')
  assert.deepEqual(settings.kubernetes?.access, { kind: 'inCluster' })
  assert.equal(settings.kubernetes?.nodeName, 'worker-1')
})

for (const [what, fields, why] of [
  ['a pod with a kubeconfig', 'inCluster: true\nkubeconfig: /k\n', /inCluster excludes kubeconfig/],
  ['a pod with a context', 'inCluster: true\ncontext: c\n', /inCluster excludes kubeconfig and context/],
  ['an unknown way', 'matchNodeBy: [hostname]\n', /matchNodeBy\[0\]/],
  ['no way', 'matchNodeBy: []\n', /must name at least one way/],
  ['a provider id that is not there', 'matchNodeBy: [providerID]\n', /providerID, which is not given/],
  ['a spelling mistake', 'kubeConfig: /k\n', /unknown field/],
] as const)
  test(`${what} is refused`, () => {
    assert.match(parsed(file(mesh, identity, registry(fields))).problems.join('\n'), why)
  })

const machine = (discovery: string): string =>
  `machine: {network: {kubespan: {enabled: true}}}\ncluster:\n  id: i\n  secret: ${SECRET}\n  discovery: ${discovery}\n`

test('the old form has it on unless it says otherwise, with the credentials of the kubelet', () => {
  const on = parsed(machine('{enabled: true}'))
  assert.deepEqual(on.problems, [])
  assert.deepEqual(on.settings.kubernetes?.access, {
    kind: 'kubeconfig',
    files: KUBELET_KUBECONFIGS,
    context: undefined,
  })
  const off = parsed(machine('{enabled: true, registries: {kubernetes: {disabled: true}}}'))
  assert.equal(off.settings.kubernetes, undefined)
  assert.equal(parsed(machine('{enabled: false}')).settings.kubernetes, undefined)
})

test('the old form with this registry alone is valid as well', () => {
  const { settings, problems } = parsed(machine('{enabled: true, registries: {service: {disabled: true}}}'))
  assert.deepEqual(problems, [])
  assert.deepEqual(settings.services, [])
  assert.equal(settings.kubernetes?.enabled, true)
})

test('our document goes before the switch of the old form, and does not conflict with it', () => {
  const both = parsed(
    file(
      machine('{enabled: true, registries: {kubernetes: {disabled: true}}}'),
      registry('kubeconfig: /mine\n'),
    ),
  )
  assert.deepEqual(both.problems, [])
  assert.deepEqual(both.settings.kubernetes?.access, {
    kind: 'kubeconfig',
    files: ['/mine'],
    context: undefined,
  })
})

test('config show names it all', () => {
  const { value } = renderSettings(parsed(file(mesh, identity, registry('nodeName: n\n'))), undefined)
  assert.deepEqual(value['kubernetes.nodeName'], { value: 'n', from: 'c.yaml:10' })
  assert.deepEqual(value['kubernetes.enabled'], { value: true, from: 'default' })
})

test('config show --write-key prints the public half of what members prove with, and nothing else', () => {
  const { settings } = parsed(file(mesh, identity))
  assert.match(renderWriteKey(settings), /^[A-Za-z0-9+/]{43}=\n$/)
  assert.throws(() => renderWriteKey({ cluster: undefined }), /without a cluster/)
})
