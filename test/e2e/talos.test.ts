import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INTERNET_V4 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { type NodeConfigOptions, nodeConfig } from '../lab/node-config.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  assertReaches,
  FAST,
  footprint,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

/** A cluster's own file, shortened where nothing concerns us: what `talosctl gen config` writes for a control plane node. */
const controlPlane = (name: string, { cluster }: NodeConfigOptions): string => `version: v1alpha1
debug: false
persist: true
machine:
    type: controlplane
    token: 8z3vo4.aaaaaaaaaaaaaaaa
    ca:
        crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
        key: LS0tLS1CRUdJTiBFRDI1NTE5IFBSSVZBVEUgS0VZLS0tLS0=
    certSANs: []
    kubelet:
        image: ghcr.io/siderolabs/kubelet:v1.34.1
        defaultRuntimeSeccompProfileEnabled: true
    network:
        hostname: ${name}
        kubespan:
            enabled: true
    install:
        disk: /dev/sda
        wipe: false
    features:
        rbac: true
        kubePrism:
            enabled: true
            port: 7445
cluster:
    id: ${cluster.clusterId}
    secret: ${cluster.clusterSecret}
    controlPlane:
        endpoint: https://198.51.100.1:6443
    clusterName: lab
    network:
        dnsDomain: cluster.local
        podSubnets:
            - 10.244.0.0/16
        serviceSubnets:
            - 10.96.0.0/12
    token: 2q6rbd.aaaaaaaaaaaaaaaa
    discovery:
        enabled: true
        registries:
            kubernetes:
                disabled: true
            service:
                endpoint: http://${INTERNET_V4}:${DISCOVERY_PORT}/
    etcd:
        ca:
            crt: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
---
apiVersion: v1alpha1
kind: TimeSyncConfig
enabled: true
---
apiVersion: v1alpha1
kind: KubeSpanEndpointsConfig
extraAnnouncedEndpoints:
    - 203.0.113.7:51820
`

/** The same in documents of the newer kind, without what they replace. */
const worker = (name: string, { cluster }: NodeConfigOptions): string => `version: v1alpha1
machine:
    type: worker
    network:
        hostname: ${name}
cluster:
    controlPlane:
        endpoint: https://198.51.100.1:6443
---
apiVersion: v1alpha1
kind: KubeSpanConfig
enabled: true
mtu: 1400
---
apiVersion: v1alpha1
kind: DiscoveryServiceConfig
name: first
endpoint: http://${INTERNET_V4}:${DISCOVERY_PORT}
---
apiVersion: v1alpha1
kind: DiscoveryIdentityConfig
clusterID: ${cluster.clusterId}
clusterSecret: ${cluster.clusterSecret}
`

/** The files name no directories, and this machine may have a daemon of its own. */
const setup = ({ stateDirectory }: LabHost): string =>
  `mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/kubespan && mount --bind "${stateDirectory}" /var/lib/kubespan`

const OTHER_PLACEMENT = {
  linkName: 'second',
  listenPort: 51900,
  wireguardFwmark: 0x200,
  routeFwmark: 0x400,
  fwmarkMask: 0x600,
  routingTable: 280,
  rulePriority: 32400,
  nftTable: 'second',
}

test('machines join with the file of a Talos cluster, and two meshes share a host', { skip }, async (t) => {
  const names = ['cp', 'worker', 'box', 'other']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2etalos',
  })
  const [cp, worker_, box, other] = names.map((name) => lab.host(name))
  assert.ok(cp && worker_ && box && other)
  const bare = await footprint(box)
  const files: Readonly<Record<string, typeof controlPlane>> = { cp: controlPlane, worker }
  await using mesh = new Mesh(lab, {
    timing: FAST,
    config: (host, options) => files[host.name]?.(host.name, options) ?? nodeConfig(host, options),
  })
  await mesh.startDiscovery()
  for (const host of [cp, worker_]) mesh.startDaemon(host, [], { setup: setup(host) })
  mesh.startDaemon(box)
  await mesh.full(PATIENCE_MS)

  await t.test('they reach each other, and what the files say is in effect', async () => {
    await assertReaches(cp, [await ulaOf(mesh, worker_), worker_.v4 ?? '', await ulaOf(mesh, box)])
    assert.match((await worker_.exec('ip', ['link', 'show', 'kubespan'])).stdout, /mtu 1400/)
    const { peers } = await mesh.control(box).view()
    assert.ok(peers.find(({ label }) => label === 'cp')?.endpoints.includes('203.0.113.7:51820' as never))
  })

  await t.test('validate and show know where each value is from', async () => {
    const file = mesh.configFile(cp)
    assert.equal((await mesh.kubespan(cp, ['config', 'validate', file])).code, 0)
    const { stdout } = await mesh.kubespan(cp, ['config', 'show', file])
    assert.match(stdout, /^kubespan\.enabled +true +\(\S+kubespan\.yaml:1\)$/m)
    assert.match(stdout, /^services\.legacy +http:\/\/192\.0\.2\.8:3000 +\(\S+:1\)$/m)
    assert.match(stdout, /^kubespan\.extraAnnouncedEndpoints +\["203\.0\.113\.7:51820"\] +\(\S+:\d\d\)$/m)
    assert.match(stdout, /^kubespan\.mtuBytes +1420 +\(default\)$/m)
    for (const secret of [mesh.cluster.clusterId, mesh.cluster.clusterSecret])
      assert.ok(!stdout.includes(secret))
  })

  await t.test('a second mesh on the host: every name and number another, and neither notices', async () => {
    const pinger = await steadyPing(box, await ulaOf(mesh, cp))
    const placement = {
      placement: OTHER_PLACEMENT,
      racing: { port: 51901 },
      metricsAddress: '127.0.0.1:9174',
    }
    await using second = new Mesh(lab, {
      timing: FAST,
      instance: '2',
      documents: (host) => ({ NodeConfig: { ...(host === box && placement) } }),
    })
    for (const host of [box, other]) second.startDaemon(host)
    await second.full(PATIENCE_MS)
    await afterPeriod(second, box)
    await assertReaches(box, [await ulaOf(second, other), other.v4 ?? '', await ulaOf(mesh, cp), cp.v6 ?? ''])
    const { stdout } = await box.sh('ip rule; ip route show table 280; nft list tables; wg show second')
    assert.match(stdout, /32400:.*fwmark 0x400\/0x600 lookup 280/)
    assert.match(stdout, /table inet second/)
    assert.match(stdout, /listening port: 51900[\s\S]*fwmark: 0x200/)
    const { counters } = await mesh.control(box).view()
    await afterPeriod(mesh, box)
    assert.equal((await mesh.control(box).view()).counters.hostChanges, counters.hostChanges)

    await second.kubespan(box, ['down'])
    await assertReaches(box, [await ulaOf(mesh, cp), worker_.v4 ?? ''])
    await assertNoneLost(pinger)
    await assertNothingInClear(lab)
    await mesh.kubespan(box, ['down'])
    assert.equal(await footprint(box), bare)
  })
})
