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
import { Situations } from '../../../../support/situations.ts'

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

/** What the worlds together must have held, and what must have happened in them. */
const HELD = [
  ...SITE_KINDS.map((kind) => `a host with the kind of site: ${kind}` as const),
  'a pair that cannot connect',
  'a pair behind one NAT',
  'a pair behind two NATs that answer only whom they were sent to',
  'a pair of which one is behind a symmetric NAT',
  'a pair that has the same private address at different sites',
] as const
const HAPPENED = [
  'a pair met at the first endpoint that was said',
  'a pair met at a later one',
  'a pair met where nobody had said',
] as const
const RACED = ['a race was won', 'a kernel was made to begin anew'] as const
const LOSSES = ['a packet got lost'] as const
const LATE = ['one learned of another 5 s after it was learned of'] as const
const WITHOUT_COPIES = ['a host dropped its copies'] as const

type Situation = (
  | typeof HELD
  | typeof HAPPENED
  | typeof RACED
  | typeof LOSSES
  | typeof LATE
  | typeof WITHOUT_COPIES
)[number]

const RESTRICTED: ReadonlySet<string> = new Set(['address restricted', 'port restricted'])

function notePair(
  situations: Situations<Situation>,
  [a, b]: readonly [NetworkHost, NetworkHost],
  isPossible: boolean,
): void {
  situations.reach('a pair that cannot connect', !isPossible)
  situations.reach('a pair behind one NAT', a.site === b.site)
  situations.reach(
    'a pair behind two NATs that answer only whom they were sent to',
    isPossible && a.site !== b.site && RESTRICTED.has(a.site.kind) && RESTRICTED.has(b.site.kind),
  )
  situations.reach(
    'a pair of which one is behind a symmetric NAT',
    isPossible && a.site.kind === 'symmetric' && b.site.kind !== 'symmetric',
  )
  situations.reach(
    'a pair that has the same private address at different sites',
    isPossible && a.site !== b.site && a.address === b.address,
  )
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
function meet(
  { seed, skew, loss, delay: longest, copiesDropped = 0 }: Weather,
  limit: number,
  situations: Situations<Situation>,
) {
  const judged = worldOf(seed)
  const { hosts, network, endpointsOf } = worldOf(seed)
  const random = randomOf(seed + 1)
  const timeline = new Timeline()
  const nodes = new Map<NetworkHost, SimulatedNode>()
  const delays = new Map(hosts.map(({ site }) => [site, (longest / 2) * random()]))

  for (const [index, host] of hosts.entries()) {
    const send = (packet: Packet, to: AddressPort): void => {
      const { isLocal, arrive } = network.send(host, to)
      if (random() < loss) return situations.reach('a packet got lost')
      const delay = isLocal ? 1 : 1 + (delays.get(host.site) ?? 0) + (longest / 2) * random()
      timeline.at(timeline.now + delay, () => {
        const arrival = arrive()
        if (arrival !== undefined) nodes.get(arrival.host)?.kernel.receive(packet, arrival.from)
      })
    }
    nodes.set(host, new SimulatedNode(`${index}`, host, timeline, random, send))
  }

  const all = [...nodes.values()]
  for (const node of all) {
    node.dropsCopies = copiesDropped > 0 && random() < copiesDropped
    node.onRace = (event) => {
      situations.reach('a race was won', event === 'up')
      situations.reach('a kernel was made to begin anew', event === 'retried')
    }
    situations.reach('a host dropped its copies', node.dropsCopies)
    situations.reach(`a host with the kind of site: ${node.host.site.kind}`)
  }
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
      const isPossible = canConnect(judged.network, first, second, judged.endpointsOf)
      notePair(situations, [a.host, b.host], isPossible)
      return isPossible ? [[a, b] as const] : []
    }),
  )
  const last = Math.max(...starts)
  situations.reach('one learned of another 5 s after it was learned of', last - Math.min(...starts) > 5000)
  const open = new Set(pairs)
  timeline.run(last + limit, () => {
    for (const pair of open) {
      const [a, b] = pair
      if (!a.isUp(b.key) || !b.isUp(a.key)) continue
      open.delete(pair)
      const said = endpointsOf(b.host)
      const at = said.indexOf(a.kernel.peers.get(b.key)?.endpoint ?? ('' as AddressPort))
      situations.reach('a pair met at the first endpoint that was said', at === 0)
      situations.reach('a pair met at a later one', at > 0)
      situations.reach('a pair met where nobody had said', at < 0)
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

/** Fails with the seed of the world, from which everything else follows; and when the worlds together were too tame. */
function check(
  weather: Omit<Weather, 'seed'>,
  limit: number,
  numRuns: number,
  alsoReached: readonly Situation[],
): void {
  const situations = new Situations<Situation>([...HELD, ...HAPPENED, ...alsoReached])
  fc.assert(
    fc.property(seed, (drawn) => {
      const { missed, took, packets } = meet({ seed: drawn, ...weather }, limit, situations)
      assert.deepEqual(missed, [], `after ${took.toFixed(0)} ms and ${packets} packets`)
    }),
    { numRuns },
  )
  situations.assertReached()
}

test('every pair that can connect does so within 3 s of learning of each other', () => {
  check({ skew: 1000, loss: 0, delay: 80 }, 3000, 400, RACED)
})

test('one that learns of the others late finds them within the kernel’s next retry', () => {
  check({ skew: 15_000, loss: 0, delay: 80 }, 7000, 100, [...RACED, ...LATE])
})

test('lost packets delay, and prevent nothing', () => {
  check({ skew: 1000, loss: 0.1, delay: 80 }, 60_000, 400, [...RACED, ...LOSSES])
})

test('neither do slow ones, though they look like lost ones for a while', () => {
  check({ skew: 1000, loss: 0.02, delay: 300 }, 60_000, 100, [...RACED, ...LOSSES])
})

test('where the copies of races are dropped, WireGuard calls by itself', () => {
  check({ skew: 1000, loss: 0, delay: 80, copiesDropped: 0.5 }, 15_000, 200, [...RACED, ...WITHOUT_COPIES])
  // A round may lose the one packet that matters, and rounds are far apart.
  check({ skew: 1000, loss: 0.05, delay: 80, copiesDropped: 1 }, 120_000, 100, [...LOSSES, ...WITHOUT_COPIES])
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
