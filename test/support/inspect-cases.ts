import assert from 'node:assert/strict'
import type { Host } from '../../kubespan/host/host.ts'
import { observeFates } from '../../kubespan/inspect/fate.ts'
import { observeHost } from '../../kubespan/inspect/host-view.ts'
import type { Fate } from '../../kubespan/model/fate.ts'
import type { Address } from '../../shared/net/address.ts'
import { desiredOf, keyOf, peerOf, placementOf, SECRETS } from './desired-states.ts'
import { bringInLine } from './host-cases.ts'

/** A host, real or not, whose main table leads out of eth0. */
export interface InspectCase {
  readonly name: string
  run(host: Host): Promise<void>
}

const desired = desiredOf([peerOf(1), peerOf(2)], {
  bypass: { destinations: ['192.0.2.53:443' as never], localPorts: [], conntrackMark: 0x80 },
})

const fatesOf = async (host: Host, ...addresses: string[]) =>
  await observeFates(host, placementOf(), addresses as Address[])

const dev = ({ unmarked, marked }: Fate): [string, string] => {
  const text = (answer: Fate['marked']): string => ('refusal' in answer ? answer.refusal : answer.dev)
  return [text(unmarked), text(marked)]
}

/** How the kernel's answers are read: the same with the real tools and the fake ones. */
export const INSPECT_CASES: readonly InspectCase[] = [
  {
    name: 'a host without a mesh shows nothing, and nothing is routed',
    async run(host) {
      assert.deepEqual(await observeHost(host, placementOf()), {
        links: [],
        addresses: [],
        routes: [],
        rules: [],
        chains: [],
        sets: [],
      })
      const { hasTable, hasDevice, rules, fates } = await fatesOf(host, '198.18.0.1')
      assert.deepEqual([hasTable, hasDevice, rules], [false, false, []])
      const [fate] = fates
      assert.ok(fate !== undefined)
      assert.deepEqual([fate.routedBy, fate.owner, dev(fate)], [undefined, undefined, ['eth0', 'eth0']])
    },
  },
  {
    name: 'all that is ours is shown',
    async run(host) {
      await bringInLine(host, desired)
      const { links, addresses, routes, rules, chains, sets } = await observeHost(host, placementOf())
      assert.equal(links[0]?.name, 'kubespan')
      assert.equal(links[0]?.mtuBytes, 1420)
      assert.deepEqual(links[0]?.wireguard, {
        publicKey: SECRETS.publicKey,
        listenPort: 51820,
        fwmark: 0x20,
        peers: 2,
      })
      assert.ok(addresses.some(({ address, bits }) => address === 'fd11:2233:4455:6602::1:1' && bits === 64))
      assert.deepEqual(routes.map(({ family, type, link, table }) => [family, type, link, table]).sort(), [
        [4, 'unicast', 'kubespan', 180],
        [4, 'unreachable', '', 180],
        [6, 'unicast', 'kubespan', 180],
        [6, 'unreachable', '', 180],
      ])
      assert.deepEqual(
        rules.map(({ family, priority, fwmark, fwmask, table }) => [family, priority, fwmark, fwmask, table]),
        [
          [4, 32500, 0x40, 0x60, 180],
          [6, 32500, 0x40, 0x60, 180],
        ],
      )
      const outgoing = chains.find(({ id }) => id === 'openspan/kubespan_outgoing')
      assert.deepEqual(
        [outgoing?.type, outgoing?.hook, outgoing?.priority, outgoing?.policy],
        ['route', 'output', 0, 'accept'],
      )
      assert.ok(outgoing?.rules.includes('oifname "lo" accept'), 'without the comment that only we need')
      const bypass = sets.find(({ id }) => id === 'openspan/bypass_v4')
      assert.deepEqual(bypass, {
        id: 'openspan/bypass_v4',
        type: 'ipv4_addr . inet_service',
        elements: ['192.0.2.53 . 443'],
      })
    },
  },
  {
    name: 'the kernel is asked for the way of single addresses',
    async run(host) {
      await bringInLine(host, desired)
      const { hasTable, hasDevice, earlierRules, fates } = await fatesOf(
        host,
        '10.100.2.77',
        '192.0.2.53',
        'fd11:2233:4455:6602::2',
        'fd11:2233:4455:6602::1:1',
      )
      assert.deepEqual([hasTable, hasDevice, earlierRules], [true, true, []])
      const [pod, service, mesh, own] = fates as [Fate, Fate, Fate, Fate]
      assert.equal(pod.routedBy, '10.100.2.0/24')
      assert.deepEqual(dev(pod), ['eth0', 'kubespan'])
      assert.deepEqual([pod.owner?.publicKey, pod.owner?.prefix], [keyOf(2), '10.100.2.0/24'])
      assert.equal(pod.owner?.handshakeAge, undefined)
      assert.deepEqual([service.routedBy, service.bypassPorts, service.owner], [undefined, [443], undefined])
      assert.equal(dev(mesh)[0], 'kubespan', 'on the link itself')
      assert.equal(mesh.owner?.publicKey, keyOf(2))
      assert.equal('isLocal' in own.unmarked && own.unmarked.isLocal, true)
    },
  },
  {
    name: 'when the link is gone, the refusing route answers',
    async run(host) {
      await bringInLine(host, desired)
      await host.run('ip', ['link', 'del', 'dev', 'kubespan'])
      const { hasDevice, fates } = await fatesOf(host, '10.100.2.77')
      assert.equal(hasDevice, false)
      const [fate] = fates as [Fate]
      assert.deepEqual(dev(fate), ['eth0', 'No route to host'])
      assert.equal(fate.routedBy, '10.100.2.0/24')
      assert.equal(fate.owner, undefined)
    },
  },
  {
    name: 'rules of others that come first are named',
    async run(host) {
      await bringInLine(host, desired)
      await host.run('ip', ['-4', 'rule', 'add', 'priority', '100', 'fwmark', '0x8/0x8', 'table', '7'])
      const { earlierRules } = await fatesOf(host, '10.100.2.77')
      assert.deepEqual(earlierRules, ['100: fwmark 0x8/0x8 lookup 7 (IPv4)'])
    },
  },
]
