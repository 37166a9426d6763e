import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import type { LabHost } from '../lab/box.ts'
import { block } from '../lab/faults.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import type { NodeConfigOptions } from '../lab/node-config.ts'
import { Pinger } from '../lab/ping.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { assertNothingInClear, eventually, FAST, PATIENCE_MS, peerOf, skip } from './story.ts'

/** Both a and b say that these pods are theirs. */
const CONTESTED = '10.60.0.0/24'

const DOCUMENTS: Readonly<Record<string, NodeConfigOptions['documents']>> = {
  a: {
    KubeSpanConfig: {
      advertiseKubernetesNetworks: true,
      filters: { excludeAdvertisedNetworks: ['10.50.8.0/21'], endpoints: ['0.0.0.0/0'] },
    },
    KubeSpanEndpointsConfig: { extraAnnouncedEndpoints: ['203.0.113.9:4242', 'auto:51999'] },
    NodeConfig: { podCIDRs: ['10.50.0.0/20', CONTESTED] },
  },
  b: { KubeSpanConfig: { advertiseKubernetesNetworks: true }, NodeConfig: { podCIDRs: [CONTESTED] } },
  c: {
    NodeConfig: {
      machineType: 'controlplane',
      controlPlanePort: 6443,
      operatingSystem: 'Lab (v1)',
    },
  },
  open: { KubeSpanConfig: { allowDownPeerBypass: true } },
}

test('what a node advertises is what others use of it', { skip }, async (t) => {
  const names = ['a', 'b', 'c', 'open']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2eadvertise',
  })
  const [a, b, c, open] = names.map((name) => lab.host(name))
  assert.ok(a && b && c && open)
  await using mesh = new Mesh(lab, { timing: FAST, documents: ({ name }) => DOCUMENTS[name] })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host, ['--log-level', 'debug'])
  await mesh.full(PATIENCE_MS)
  /** How `of` stands in the eyes of `host`, once its record is complete. */
  const seenBy = async (
    host: LabHost,
    of: LabHost,
    isSo: (peer: NonNullable<ReturnType<typeof peerOf>>) => boolean,
  ) => {
    const view = await mesh.until(
      host,
      (seen) => {
        const peer = peerOf(seen, of)
        return peer !== undefined && isSo(peer)
      },
      PATIENCE_MS,
    )
    return { view, peer: peerOf(view, of) }
  }

  await t.test('endpoints: filtered, and those that are announced besides', async () => {
    const { peer } = await seenBy(b, a, ({ endpoints }) => endpoints.length >= 3)
    assert.deepEqual(peer?.endpoints, [`${a.v4}:51820`, '203.0.113.9:4242', `${a.v4}:51999`])
    assert.match(
      mesh.daemon(a).output,
      /"what":"own address, not announced","address":"2001:db8:1::2","reason":"the endpoint filters"/,
    )
    const other = await seenBy(a, b, ({ endpoints }) => endpoints.length >= 2)
    assert.ok(other.peer?.endpoints.includes(`[${b.v6}]:51820` as never))
  })

  await t.test('networks: less those that the node excludes, on the node and on its peers', async () => {
    for (const host of [b, c]) {
      const { view, peer } = await seenBy(host, a, ({ allowedIps }) =>
        allowedIps.some((ip) => ip.startsWith('10.50')),
      )
      assert.deepEqual(
        peer?.allowedIps.filter((ip) => ip.startsWith('10.50')),
        ['10.50.0.0/21'],
      )
      assert.ok(view.routed.includes('10.50.0.0/21' as never))
      const sent = view.affiliates.find(({ nodename }) => nodename === 'a')?.kubespan
      assert.deepEqual(sent?.excludeAdvertisedNetworks, ['10.50.8.0/21'])
      const { stdout } = await host.exec('wg', ['show', 'kubespan', 'allowed-ips'])
      assert.match(stdout, /10\.50\.0\.0\/21/)
      assert.doesNotMatch(stdout, /10\.50\.0\.0\/20|10\.50\.8/)
    }
  })

  await t.test('a network that two claim is given to one of them, and everybody says to whom', async () => {
    const ownerIn = ({ peers }: DaemonView): readonly string[] =>
      peers.filter(({ allowedIps }) => allowedIps.includes(CONTESTED as never)).map(({ nodeId }) => nodeId)
    const ids = await Promise.all(
      [a, b].map(async (host) => (await mesh.control(host).view()).identity?.nodeId ?? ''),
    )
    for (const host of [c, open]) {
      const view = await mesh.until(
        host,
        ({ warnings }) => warnings.some((text) => text.includes(CONTESTED)),
        PATIENCE_MS,
      )
      assert.deepEqual(ownerIn(view), [ids.sort()[0]])
      assert.match(
        view.warnings.join('\n'),
        new RegExp(`${ids[1]} also claims what belongs to ${ids[0]}: ${CONTESTED}`),
      )
    }
    assert.match((await mesh.kubespan(c, ['status'])).stdout, /also claims what belongs to/)
  })

  await t.test('machine type, operating system and API server make members', async () => {
    const { stdout } = await mesh.kubespan(a, ['get', 'members', '-o', 'json'])
    assert.match(stdout, /"controlPlane": \{\s*"port": 6443/)
    const table = (await mesh.kubespan(a, ['get', 'members'])).stdout
    assert.match(table, / c +1 +c +controlplane +Lab \(v1\) +\[/)
    assert.match(table, / b +1 +b +worker +/)
    await assertNothingInClear(lab)
  })

  await t.test('a peer that is down is a black hole, except where that is allowed', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    // It is a host without a mesh now, and answers in clear.
    await b.sh('ip link del kubespan; nft delete table inet openspan')
    await using _fault = await block(lab, b, c)
    const ulas = await Promise.all(
      [c, open].map(async (host) => peerOf(await mesh.control(host).view(), b)?.address),
    )
    await using pinging = new AsyncDisposableStack()
    for (const [place, host] of [c, open].entries()) pinging.use(new Pinger(host, ulas[place] ?? '', 0.2))
    const lost = (host: LabHost) =>
      mesh.until(host, (view) => !isUp(view, 'b') && peerOf(view, b) !== undefined, PATIENCE_MS)
    await lost(c)
    await lost(open)
    const routes = async (host: LabHost): Promise<string> =>
      (await host.exec('nft', ['list', 'set', 'inet', 'openspan', 'routed_v4'])).stdout
    await eventually(
      'the set of the one is without it',
      () => routes(open),
      (text) => !text.includes(b.v4 ?? ''),
    )
    assert.ok((await routes(c)).includes(b.v4 ?? ''))
    const reaches = async (host: LabHost) =>
      (await host.exec('ping', ['-c1', '-W1', b.v4 ?? ''], { check: false })).code === 0
    assert.deepEqual([await reaches(open), await reaches(c)], [true, false])
  })
})
