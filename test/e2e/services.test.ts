import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import type { AddressPort } from '../../shared/net/address.ts'
import { INTERNET_V4, INTERNET_V6 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { rebind } from '../lab/changes.ts'
import { LabDiscovery } from '../lab/discovery.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertNothingInClear,
  FAST,
  PATIENCE_MS,
  peerOf,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

const OTHER_PORT = DISCOVERY_PORT + 1
const ONE = `http://${INTERNET_V4}:${DISCOVERY_PORT}`
const TWO = `http://[${INTERNET_V6}]:${OTHER_PORT}`

test('hosts with one or two discovery services make one mesh', { skip }, async (t) => {
  const hosts = [publicHost('a'), publicHost('b'), behind('home', 'c'), publicHost('d')]
  await using lab = await Lab.create(topology({ hosts, nats: [nat('home', 'port-restricted')] }), {
    prefix: 'e2eservices',
  })
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => lab.host(name))
  assert.ok(a && b && c && d)
  const urls = new Map<LabHost, readonly string[]>([
    [a, [ONE]],
    [b, [TWO]],
    [c, [ONE, `http://${INTERNET_V4}:${OTHER_PORT}`]],
  ])
  await using two = new LabDiscovery(lab.internet, { port: OTHER_PORT })
  await using mesh = new Mesh(lab, {
    timing: FAST,
    services: (host) => urls.get(host) ?? [ONE, TWO],
    documents: (host) => (host === b ? { KubeSpanConfig: { harvestExtraEndpoints: true } } : {}),
  })
  await mesh.startDiscovery()
  await two.start()
  for (const host of lab.hosts) mesh.startDaemon(host)
  const sees = async (host: LabHost, names: readonly string[]): Promise<void> => {
    const view = await mesh.until(
      host,
      (seen) => names.every((name) => isUp(seen, name)) && seen.peers.length === names.length,
      PATIENCE_MS,
    )
    assert.deepEqual(view.peers.map(({ label }) => label).sort(), names)
  }
  const all = async (): Promise<void> => {
    await sees(a, ['c', 'd'])
    await sees(b, ['c', 'd'])
    await sees(c, ['a', 'b', 'd'])
    await sees(d, ['a', 'b', 'c'])
  }
  await all()

  await t.test('each service says with which address of which family it sees us', async () => {
    const { services } = await mesh.control(d).view()
    assert.deepEqual(
      services.map(({ name, publicAddresses }) => [name, publicAddresses]),
      [
        ['lab', [d.v4]],
        ['lab2', [d.v6]],
      ],
    )
    const behindNat = await mesh.control(c).view()
    const own = behindNat.affiliates.find(({ isLocal }) => isLocal)?.kubespan.endpoints ?? []
    for (const address of behindNat.services.flatMap(({ publicAddresses }) => publicAddresses))
      assert.ok(
        own.some((endpoint) => endpoint.includes(address)),
        `${address} is announced: ${own}`,
      )
  })

  await t.test('what the services say, before it is merged, is there to be asked for', async () => {
    const told = async (...options: readonly string[]) => {
      const { stdout } = await mesh.kubespan(d, ['get', 'affiliates', ...options, '-o', 'yaml'])
      return parseAllDocuments(stdout).map((document) => document.toJS()) as {
        metadata: { namespace: string; id: string }
        spec: { nodename: string; kubespan: { address: string } }
      }[]
    }
    const raw = await told('--namespace', 'cluster-raw')
    assert.deepEqual([...new Set(raw.map(({ metadata }) => metadata.namespace))], ['cluster-raw'])
    const others = (await told()).filter(({ spec }) => spec.nodename !== 'd')
    assert.deepEqual(
      raw.map(({ metadata, spec }) => [metadata.id, spec.nodename]).sort(),
      others.map(({ metadata, spec }) => [`service/${metadata.id}`, spec.nodename]).sort(),
    )
    assert.deepEqual(raw.map(({ spec }) => spec.nodename).sort(), ['a', 'b', 'c'])
    const [{ metadata } = assert.fail('nobody is there')] = raw
    const { stdout } = await mesh.kubespan(d, [
      'get',
      'affiliates',
      metadata.id,
      '--namespace',
      'cluster-raw',
    ])
    assert.match(stdout, new RegExp(`cluster-raw +Affiliate +${metadata.id} `))
  })

  await t.test('endpoints that only one of them knows are united with the others', async () => {
    const own = (await mesh.control(c).view()).affiliates.find(({ isLocal }) => isLocal)?.kubespan.endpoints
    const toC = await steadyPing(c, await ulaOf(mesh, b))
    await rebind(lab, c)
    // b sees c at a port that c does not know itself, and has only the second service to tell.
    const isForeign = (endpoint: AddressPort): boolean => own?.includes(endpoint) === false
    await mesh.until(
      b,
      ({ harvestedEndpoints, peers }) =>
        harvestedEndpoints.some(
          ({ publicKey, endpoint }) =>
            isForeign(endpoint) && peers.some((peer) => peer.label === 'c' && peer.publicKey === publicKey),
        ),
      PATIENCE_MS,
    )
    const knows = (host: LabHost) =>
      mesh.until(host, (view) => peerOf(view, c)?.endpoints.some(isForeign) === true, PATIENCE_MS)
    await toC.stop()
    const view = await knows(d)
    assert.deepEqual(view.affiliates.find(({ nodename }) => nodename === 'c')?.sources, [
      'service/lab',
      'service/lab2',
    ])
  })

  await t.test('of two records the newer one counts', async () => {
    await c.exec('nft', ['-f', '-'], {
      input: `table inet story {
        chain out {
          type filter hook output priority 0
          ip daddr ${INTERNET_V4} tcp dport ${DISCOVERY_PORT} drop
        }
      }`,
    })
    mesh.writeConfig(c, { NodeConfig: { operatingSystem: 'newer' } })
    await mesh.until(
      d,
      ({ affiliates }) => affiliates.find(({ nodename }) => nodename === 'c')?.operatingSystem === 'newer',
      PATIENCE_MS,
    )
    const later = await afterPeriod(mesh, d)
    assert.equal(later.affiliates.find(({ nodename }) => nodename === 'c')?.operatingSystem, 'newer')
    const old = await afterPeriod(mesh, a)
    assert.notEqual(old.affiliates.find(({ nodename }) => nodename === 'c')?.operatingSystem, 'newer')
    await c.exec('nft', ['delete', 'table', 'inet', 'story'])
    await mesh.until(
      a,
      ({ affiliates }) => affiliates.find(({ nodename }) => nodename === 'c')?.operatingSystem === 'newer',
      PATIENCE_MS,
    )
  })

  await t.test('one of them dies and comes back with nothing: nobody notices', async () => {
    const pingers = [
      await steadyPing(d, await ulaOf(mesh, b)),
      await steadyPing(d, await ulaOf(mesh, c)),
      await steadyPing(b, await ulaOf(mesh, c)),
    ]
    await two.stop('SIGKILL')
    for (const host of [b, c, d])
      await mesh.until(host, ({ services }) => services.some(({ connected }) => !connected), PATIENCE_MS)
    const { affiliates } = await afterPeriod(mesh, d)
    assert.ok(affiliates.every(({ unconfirmedUntil }) => unconfirmedUntil === undefined))
    await all()
    await two.start()
    await mesh.until(d, ({ services }) => services.every(({ connected }) => connected), PATIENCE_MS)
    await all()
    for (const pinger of pingers) await assertNoneLost(pinger)
    await assertNothingInClear(lab)
  })
})
