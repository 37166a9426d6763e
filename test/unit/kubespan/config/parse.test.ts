import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { generateClusterConfig } from '../../../../kubespan/cli/generate.ts'
import { hostFacts } from '../../../../kubespan/config/host-facts.ts'
import { ConfigError, checkConfig, loadConfig } from '../../../../kubespan/config/load.ts'
import { parseConfig } from '../../../../kubespan/config/parse.ts'
import { renderSettings } from '../../../../kubespan/config/show.ts'

const host = { hostname: 'box', operatingSystem: 'Debian (13)' }
const SECRET = Buffer.alloc(32, 7).toString('base64')
const parsed = (text: string) => parseConfig('c.yaml', text, host)
const settingsOf = (text: string) => {
  const { settings, problems } = parsed(text)
  assert.deepEqual(problems, [])
  return settings
}

const mesh = 'apiVersion: v1alpha1\nkind: KubeSpanConfig\nenabled: true\n'
const service =
  'apiVersion: v1alpha1\nkind: DiscoveryServiceConfig\nname: one\nendpoint: https://d.example/\n'
const identity = `apiVersion: v1alpha1\nkind: DiscoveryIdentityConfig\nclusterID: abc\nclusterSecret: ${SECRET}\n`
const file = (...documents: string[]): string => documents.join('---\n')
const complete = file(mesh, service, identity)

test('what gen makes is a valid configuration', () => {
  const settings = settingsOf(generateClusterConfig('http://d.example:3000'))
  assert.equal(settings.enabled, true)
  assert.deepEqual(settings.services, [
    { name: 'default', endpoint: { host: 'd.example', port: 3000, plaintext: true } },
  ])
  assert.equal(Buffer.from(settings.cluster?.key.presharedKey() ?? '', 'base64').length, 32)
  assert.notEqual(generateClusterConfig('http://d'), generateClusterConfig('http://d'))
})

test('every value has a default', () => {
  const { placement, timing, node, ...rest } = settingsOf(complete)
  assert.equal(rest.mtuBytes, 1420)
  assert.equal(rest.endpointFilters, undefined)
  assert.deepEqual(placement, {
    linkName: 'kubespan',
    listenPort: 51820,
    wireguardFwmark: 0x20,
    routeFwmark: 0x40,
    fwmarkMask: 0x60,
    routingTable: 180,
    rulePriority: 32500,
    nftTable: 'openspan',
  })
  assert.equal(timing.reconcileEvery, 30_000)
  assert.equal(node.nodename, 'box')
  assert.equal(node.stateDirectory, '/var/lib/kubespan')
})

test('our node document overrides them, and the origin of each is known', () => {
  const node =
    'apiVersion: v1alpha1\nkind: NodeConfig\nhostname: n1\npodCIDRs: [10.244.1.0/24]\ntiming: {reconcileEvery: 500ms}\nplacement: {listenPort: 51999}\n'
  const { settings, origin } = parsed(file(complete, node))
  assert.equal(settings.node.nodename, 'n1', 'the node is called as the host')
  assert.equal(settings.timing.reconcileEvery, 500)
  assert.equal(settings.timing.peerDownAfter, 275_000)
  assert.equal(settings.placement.listenPort, 51999)
  assert.equal(origin.get('placement.listenPort'), 'c.yaml:15')
  assert.equal(origin.get('placement.linkName'), undefined)
})

const wrong: [string, string, RegExp][] = [
  ['an unknown field', `${mesh}mtuu: 3\n`, /^c\.yaml:4: mtuu: unknown field/],
  [
    'a small MTU, even when disabled',
    `${mesh.replace('true', 'false')}mtu: 1279\n`,
    /^c\.yaml:4: mtu: must be at least 1280/,
  ],
  ['MTU 0 in the new form', `${mesh}mtu: 0\n`, /mtu: must be at least 1280/],
  ['a huge MTU', `${mesh}mtu: 70000\n`, /mtu: must be at most 65535/],
  [
    'a filter',
    `${mesh}filters: {endpoints: ["0.0.0.0/0", "!nonsense"]}\n`,
    /filters\.endpoints\[1\]: "!nonsense" is not an address or prefix/,
  ],
  [
    'an announced endpoint',
    'apiVersion: v1alpha1\nkind: KubeSpanEndpointsConfig\nextraAnnouncedEndpoints: ["auto:0"]\n',
    /"auto:0" is not an endpoint/,
  ],
  ['a service without a scheme', service.replace('https://', ''), /endpoint: needs a scheme/],
  ['a service without a name', service.replace('name: one\n', ''), /name: is required/],
  [
    'a short secret',
    identity.replace(SECRET, 'c2hvcnQ='),
    /clusterSecret: is not standard base64 of exactly 32 bytes/,
  ],
  ['an empty id', identity.replace('abc', '""'), /clusterID: must not be empty/],
  ['an unknown kind', 'kind: KubespanConfig\n', /unknown kind KubespanConfig; there are KubeSpanConfig/],
  ['a document of no kind', 'enabled: true\n', /neither one of our documents/],
  [
    'a link filter',
    'apiVersion: v1alpha1\nkind: NodeConfig\nfilters: {links: ["docker*", "!a b"]}\n',
    /^c\.yaml:3: filters\.links\[1\]: "!a b" is not the name of a link like docker0 or docker\*/,
  ],
  ['no document', '', /is empty; make a configuration/],
  ['no YAML', 'a: [', /^c\.yaml:/],
  ['a service without a cluster', service, /needs a cluster id and secret/],
  ['a mesh without a service', file(mesh, identity), /no discovery service is configured/],
  [
    'the same document twice',
    file(mesh, complete),
    /c\.yaml:5: KubeSpanConfig is already there at c\.yaml:1/,
  ],
  ['the same service twice', file(service, complete), /a discovery service named one is already there/],
  [
    'equal marks',
    file(complete, 'apiVersion: v1alpha1\nkind: NodeConfig\nplacement: {routeFwmark: 0x20}\n'),
    /must differ/,
  ],
  [
    'marks outside the mask',
    file(complete, 'apiVersion: v1alpha1\nkind: NodeConfig\nplacement: {fwmarkMask: 0x1}\n'),
    /wireguardFwmark has bits outside fwmarkMask/,
  ],
]
for (const [what, text, why] of wrong)
  test(`${what} is refused with its place`, () => {
    const { problems } = parsed(text)
    assert.match(problems.join('\n'), why)
    assert.ok(!problems.join('\n').includes(SECRET), 'no secret in a message')
  })

const machineConfig = (kubespan: string, discovery: string): string => `version: v1alpha1
machine:
  type: controlplane
  token: some.token
  network:
    kubespan: ${kubespan}
cluster:
  id: old-id
  secret: ${SECRET}
  controlPlane: {endpoint: https://1.2.3.4:6443}
  network: {podSubnets: [10.244.0.0/16], serviceSubnets: [10.96.0.0/12]}
  discovery: ${discovery}
---
apiVersion: v1alpha1
kind: HostnameConfig
hostname: somebody
`

test('a complete Talos machine configuration is taken as it is', () => {
  const { settings, problems, warnings } = parsed(machineConfig('{enabled: true, mtu: 0}', '{enabled: true}'))
  assert.deepEqual(problems, [])
  assert.equal(settings.enabled, true)
  assert.equal(settings.mtuBytes, 1420)
  assert.equal(settings.cluster?.id, 'old-id')
  assert.deepEqual(settings.services, [
    { name: 'legacy', endpoint: { host: 'discovery.talos.dev', port: 443, plaintext: false } },
  ])
  assert.equal(settings.node.machineType, 'worker')
  assert.match(warnings.join(), /machine\.type controlplane is not taken over/)
  assert.deepEqual(settings.node.serviceCidrs, ['10.96.0.0/12'])
  assert.deepEqual(settings.node.clusterPodCidrs, ['10.244.0.0/16'])
})

test('a file that somebody edited by hand reads as it does in Go', () => {
  const handMade = settingsOf(
    file(
      mesh.replace('true', 'yes').concat('filters:\nmtu:\nharvestExtraEndpoints: off\n'),
      service,
      identity,
      'apiVersion: v1alpha1\nkind: KubeSpanEndpointsConfig\nextraAnnouncedEndpoints:\n',
      'apiVersion: v1alpha1\nkind: NodeConfig\npodCIDRs:\nplacement:\n  listenPort: 51_821\nracing: {enabled: No}\n',
    ),
  )
  assert.equal(handMade.enabled, true)
  assert.equal(handMade.mtuBytes, 1420)
  assert.equal(handMade.endpointFilters, undefined)
  assert.deepEqual(handMade.extraAnnouncedEndpoints, [])
  assert.deepEqual([handMade.placement.listenPort, handMade.racing.enabled], [51821, false])
  const empty = settingsOf('machine:\n  type: worker\n  network:\ncluster:\n  discovery:\n')
  assert.equal(empty.enabled, false)
  const nothing = parsed(file(mesh, service, identity.replace('abc', ''))).problems
  assert.deepEqual(nothing, ['c.yaml:12: clusterID: must be a text, not empty'])
})

test('what a machine configuration merges is in it', () => {
  const merged = (network: string): string =>
    `x-net: &net
  kubespan:
    enabled: true
    mtu: 1300
machine:
  network: ${network}
cluster: {id: old-id, secret: ${SECRET}, discovery: {enabled: true}}
`
  assert.equal(settingsOf(merged('{<<: *net}')).mtuBytes, 1300)
  assert.equal(settingsOf(merged('{<<: [*net], hostname: box}')).enabled, true)
  assert.equal(
    settingsOf(merged('{<<: *net, kubespan: {enabled: true}}')).mtuBytes,
    1420,
    'its own come first',
  )
  assert.deepEqual(parsed(merged('{"<<": *net}')).problems, ['c.yaml:6: a << in quotes merges nothing'])
  assert.deepEqual(parsed(merged('{<<: *net}').replace('1300', 'some')).problems, [
    'c.yaml:4: machine.network.kubespan.mtu: must be a number, not this text',
  ])
})

test('the old form: disabled by default, rules apply when enabled', () => {
  assert.equal(settingsOf(machineConfig('{mtu: 1000}', '{}')).services.length, 0)
  assert.match(
    parsed(machineConfig('{enabled: true, mtu: 1000}', '{enabled: true}')).problems.join(),
    /mtu: must be at least 1280/,
  )
  assert.match(
    parsed(
      machineConfig(
        '{enabled: true}',
        '{enabled: true, registries: {kubernetes: {disabled: true}, service: {disabled: true}}}',
      ),
    ).problems.join(),
    /no discovery service/,
  )
  assert.match(
    parsed(machineConfig('{}', '{enabled: true, registries: {service: {endpoint: "x"}}}')).problems.join(),
    /service\.endpoint: needs a scheme/,
  )
  assert.match(
    parsed(machineConfig('{}', '{}').replace(SECRET, 'bad')).problems.join(),
    /cluster\.secret: is not standard base64/,
  )
})

test('old and new form of one thing conflict', () => {
  const problems = parsed(file(machineConfig('{enabled: true}', '{enabled: true}'), complete)).problems.join(
    '\n',
  )
  for (const kind of ['KubeSpanConfig', 'DiscoveryServiceConfig', 'DiscoveryIdentityConfig'])
    assert.match(problems, new RegExp(`${kind} conflicts with`))
})

test('an empty filter list is taken, and warned of (N6)', () => {
  const { settings, warnings } = parsed(
    complete.replace('enabled: true\n', 'enabled: true\nfilters: {endpoints: []}\n'),
  )
  assert.deepEqual(settings.endpointFilters, [])
  assert.match(warnings.join(), /drops every endpoint/)
})

test('shown settings name every value and its origin, and no secret', () => {
  const node =
    'apiVersion: v1alpha1\nkind: KubeSpanEndpointsConfig\nextraAnnouncedEndpoints: ["auto:51820", "192.0.2.1:5"]\n'
  const { table, value } = renderSettings(parsed(file(complete, node)), undefined)
  assert.match(table, /kubespan\.enabled +true {2}\(c\.yaml:1\)/)
  assert.match(table, /kubespan\.mtuBytes +1420 {2}\(default\)/)
  assert.match(table, /services\.one +https:\/\/d\.example:443 {2}\(c\.yaml:5\)/)
  assert.deepEqual(value['kubespan.extraAnnouncedEndpoints']?.value, ['auto:51820', '192.0.2.1:5'])
  assert.ok(!table.includes(SECRET) && !JSON.stringify(value).includes(SECRET))
  assert.ok(!table.includes('abc'), 'a cluster id is a capability')
})

test('beside problems stand the settings that go by what is right', () => {
  const node = 'apiVersion: v1alpha1\nkind: NodeConfig\nrunDirectory: /run/other\n'
  for (const text of [
    file(`${mesh}mtuu: 1\n`, service, identity, node),
    file(mesh, service, identity, `${node}placement: {listenPort: 0}\n`),
    file(mesh, service, identity, `${node}nodename: [a\n`),
  ]) {
    const { settings, problems } = parsed(text)
    assert.equal(problems.length, 1, problems.join('\n'))
    assert.equal(settings.node.runDirectory, '/run/other')
    assert.equal(settings.services.length, 1)
  }
})

test('a file that is not there says how to make one', async () => {
  await assert.rejects(loadConfig('/nonexistent/config.yaml'), /no such file; make one with "kubespan gen/)
  await assert.rejects(loadConfig('/proc/self/mem'), /cannot be read/)
  assert.throws(() => checkConfig('c.yaml', 'kind: X\n', host), ConfigError)
  assert.match((await hostFacts()).operatingSystem, /^.+ \(.+\)$/)
  assert.ok(parse(generateClusterConfig('http://x').split('---\n')[1] ?? '').enabled)
})

test('metrics are served on loopback unless they are turned off or moved', () => {
  const at = (address: string) =>
    parsed(file(complete, `apiVersion: v1alpha1\nkind: NodeConfig\nmetricsAddress: ${address}\n`))
  assert.equal(settingsOf(complete).node.metricsAddress, '127.0.0.1:9173')
  assert.equal(at('off').settings.node.metricsAddress, undefined)
  assert.equal(at('"10.0.0.1:9200"').settings.node.metricsAddress, '10.0.0.1:9200')
  assert.match(at('9173').problems[0] ?? '', /metricsAddress/)
  assert.match(at('nowhere').problems[0] ?? '', /is not an address like 127\.0\.0\.1:9173, or off/)
})

test('filters of links come after the defaults, and are shown with them', () => {
  const links =
    'apiVersion: v1alpha1\nkind: NodeConfig\nfilters: {links: ["!wg0", "kind:dummy"], deniedRanges: [10.0.0.0/8]}\n'
  const resolved = parsed(file(complete, links))
  assert.deepEqual(resolved.settings.linkFilters, ['!wg0', 'kind:dummy'])
  assert.deepEqual(Object.keys(resolved.settings.filters), [
    'preferredRanges',
    'allowedRanges',
    'deniedRanges',
  ])
  const { value } = renderSettings(resolved, undefined)
  const { value: shown, from } = value['filters.links'] ?? {}
  assert.deepEqual((shown as string[]).slice(-3), ['kind:gtp', '!wg0', 'kind:dummy'])
  assert.match(from ?? '', /^c\.yaml:/)
  assert.equal(renderSettings(parsed(complete), undefined).value['filters.links']?.from, 'default')
  assert.deepEqual(parsed(complete).settings.linkFilters, [])
})
