import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Address, type AddressPort, addressPortOf } from '../../../../../shared/net/address.ts'
import type { Packet } from '../../../../support/simulated-kernel.ts'
import {
  canConnect,
  Network,
  type NetworkHost,
  randomOf,
  SITE_KINDS,
  Site,
  Timeline,
  WIREGUARD_PORT,
} from '../../../../support/simulated-network.ts'
import { SimulatedNode } from '../../../../support/simulated-node.ts'

interface World {
  readonly hosts: readonly NetworkHost[]
  readonly network: Network
  readonly endpointsOf: (host: NetworkHost) => readonly AddressPort[]
}

/** Sites of all kinds with a host or two each, and what discovery says of them: some of it dead. */
function worldOf(seed: number): World {
  const random = randomOf(seed)
  const below = (bound: number): number => Math.floor(random() * bound)
  const network = new Network()
  const endpoints = new Map<NetworkHost, AddressPort[]>()
  const sites = 2 + below(3)
  for (let index = 0; index < sites; index += 1) {
    const site = new Site(
      SITE_KINDS[below(SITE_KINDS.length)] ?? 'open',
      `203.0.113.${index + 1}` as Address,
      random,
    )
    network.add(site)
    const behind = site.isNat ? 1 + below(2) : 1
    for (let place = 0; place < behind; place += 1) {
      // Private networks of different sites may well have the same numbers.
      const address = site.isNat
        ? (`192.168.${below(2)}.${10 + place + below(3) * 2}` as Address)
        : site.publicAddress
      const host = { site, address }
      if (site.hosts.has(address)) continue
      site.hosts.set(address, host)
      const known = [...new Set([address, site.publicAddress])]
      const dead = Array.from(
        { length: below(4) },
        () => `${random() < 0.5 ? '198.51.100' : '10.9.8'}.${below(250)}` as Address,
      )
      const said = [...known, ...dead].sort(() => random() - 0.5)
      endpoints.set(
        host,
        said.map((one) => addressPortOf(one, WIREGUARD_PORT)),
      )
    }
  }
  return { hosts: [...endpoints.keys()], network, endpointsOf: (host) => endpoints.get(host) ?? [] }
}

interface Weather {
  readonly seed: number
  /** How far apart the hosts learn of each other. */
  readonly skew: number
  /** The share of packets that get lost. */
  readonly loss: number
  /** The longest time that a packet needs from site to site. */
  readonly delay: number
  /** The share of hosts whose own firewall drops copies. */
  readonly copiesDropped?: number
}

/** Lets all hosts of a world look for each other; answers with how long after the last one learned of the others all had met who can. */
function meet({ seed, skew, loss, delay: longest, copiesDropped = 0 }: Weather, limit: number) {
  const judged = worldOf(seed)
  const { hosts, network, endpointsOf } = worldOf(seed)
  const random = randomOf(seed + 1)
  const timeline = new Timeline()
  const nodes = new Map<NetworkHost, SimulatedNode>()
  const delays = new Map(hosts.map(({ site }) => [site, (longest / 2) * random()]))

  for (const [index, host] of hosts.entries()) {
    const send = (packet: Packet, to: AddressPort): void => {
      const { isLocal, arrive } = network.send(host, to)
      if (random() < loss) return
      const delay = isLocal ? 1 : 1 + (delays.get(host.site) ?? 0) + (longest / 2) * random()
      timeline.at(timeline.now + delay, () => {
        const arrival = arrive()
        if (arrival !== undefined) nodes.get(arrival.host)?.kernel.receive(packet, arrival.from)
      })
    }
    nodes.set(host, new SimulatedNode(`${index}`, host, timeline, random, send))
  }

  const all = [...nodes.values()]
  for (const node of all) node.dropsCopies = copiesDropped > 0 && random() < copiesDropped
  const starts = all.map(() => random() * skew)
  for (const [index, node] of all.entries())
    timeline.at(starts[index] ?? 0, () => {
      for (const other of all) if (other !== node) node.meet(other.key, endpointsOf(other.host))
    })

  const pairs = all.flatMap((a, left) =>
    all.slice(left + 1).flatMap((b, right) => {
      const [first, second] = [judged.hosts[left], judged.hosts[left + 1 + right]] as [
        NetworkHost,
        NetworkHost,
      ]
      return canConnect(judged.network, first, second, judged.endpointsOf) ? [[a, b] as const] : []
    }),
  )
  const last = Math.max(...starts)
  const open = new Set(pairs)
  timeline.run(last + limit, () => {
    for (const pair of open) {
      const [a, b] = pair
      if (a.isUp(b.key) && b.isUp(a.key)) open.delete(pair)
    }
    return open.size === 0
  })
  return {
    took: timeline.now - last,
    pairs: pairs.length,
    missed: Array.from(open, ([a, b]) => `${a.key} (${a.host.site.kind}) and ${b.key} (${b.host.site.kind})`),
    packets: all.reduce((sum, node) => sum + node.packets, 0),
  }
}

const seed = fc.integer({ min: 0, max: 0x7fffffff })

/** Fails with the seed of the world, from which everything else follows. */
const check = (weather: Omit<Weather, 'seed'>, limit: number, numRuns: number): void =>
  fc.assert(
    fc.property(seed, (drawn) => {
      const { missed, took, packets } = meet({ seed: drawn, ...weather }, limit)
      assert.deepEqual(missed, [], `after ${took.toFixed(0)} ms and ${packets} packets`)
    }),
    { numRuns },
  )

test('every pair that can connect does so within 3 s of learning of each other', () => {
  check({ skew: 1000, loss: 0, delay: 80 }, 3000, 400)
})

test('one that learns of the others late finds them within the kernel’s next retry', () => {
  check({ skew: 15_000, loss: 0, delay: 80 }, 7000, 100)
})

test('lost packets delay, and prevent nothing', () => {
  check({ skew: 1000, loss: 0.1, delay: 80 }, 60_000, 400)
})

test('neither do slow ones, though they look like lost ones for a while', () => {
  check({ skew: 1000, loss: 0.02, delay: 300 }, 60_000, 100)
})

test('where the copies of races are dropped, WireGuard calls by itself', () => {
  check({ skew: 1000, loss: 0, delay: 80, copiesDropped: 0.5 }, 15_000, 200)
  // A round may lose the one packet that matters, and rounds are far apart.
  check({ skew: 1000, loss: 0.05, delay: 80, copiesDropped: 1 }, 120_000, 100)
})

test('two hosts behind NATs that cannot be punched are known to be so', () => {
  const network = new Network()
  const behind = (kind: (typeof SITE_KINDS)[number], last: number): NetworkHost => {
    const site = new Site(kind, `203.0.113.${last}` as Address, randomOf(last))
    network.add(site)
    const host = { site, address: '192.168.1.2' as Address }
    site.hosts.set(host.address, host)
    return host
  }
  const meets = (one: (typeof SITE_KINDS)[number], other: (typeof SITE_KINDS)[number]): boolean => {
    const endpointsOf = ({ site }: NetworkHost) => [addressPortOf(site.publicAddress, WIREGUARD_PORT)]
    return canConnect(network, behind(one, 1), behind(other, 2), endpointsOf)
  }
  assert.equal(meets('symmetric', 'symmetric'), false)
  assert.equal(meets('symmetric', 'port restricted'), false)
  assert.equal(meets('port restricted', 'port restricted'), true)
  assert.equal(meets('symmetric', 'address restricted'), true)
  assert.equal(meets('symmetric', 'full cone'), true)
})
