import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GatherRecall, gatherPeers } from '../../../../../kubespan/controllers/members/gather.ts'
import { EMPTY_MEMORY, type MeshMemory } from '../../../../../kubespan/controllers/view.ts'
import type { PeerStatus } from '../../../../../kubespan/model/peer.ts'
import type { ServiceReport } from '../../../../../kubespan/plan/members/unite-services.ts'
import { planDesiredState } from '../../../../../kubespan/plan/peers/desired-state.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../../shared/net/prefix-set.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { desiredOf } from '../../../../support/desired-states.ts'
import { settingsOf } from '../../../../support/settings.ts'

const WALL = 1_800_000_000_000
const NODES = [1, 2, 3]
const keyOf = (n: number): string => Buffer.alloc(32, n).toString('base64')

/** A node as it says of itself, in its nth version: all have the same key, and the first one fewer networks. */
function node(n: number, version: number, isOurs: boolean): Affiliate {
  return {
    ...affiliateOf({
      nodeId: `n${n}`,
      publicKey: keyOf(n),
      address: `fd00::${n}` as Address,
      addresses: [`192.0.2.${n}`] as Address[],
      additionalAddresses: [`10.${n}.0.0/24`, ...(version === 0 ? [] : [`10.${n}.9.0/24`])] as Prefix[],
    }),
    ...(isOurs ? { sealedAt: WALL + version } : {}),
  }
}

/** What a service does with the record of one node, until it does something else. */
type Whim =
  | 'tell'
  | 'withhold'
  | 'delete'
  | 'replay'
  | 'former key'
  | 'old farewell'
  | 'thief of its key'
  | 'thief of its addresses'
const WHIMS: readonly Whim[] = [
  ...(['tell', 'withhold', 'delete', 'replay', 'former key', 'old farewell'] as const),
  ...(['thief of its key', 'thief of its addresses'] as const),
]
/** These need the cluster's secret. */
const OF_A_MEMBER: ReadonlySet<Whim> = new Set(['thief of its key', 'thief of its addresses'])

interface Moment {
  readonly after: number
  readonly node: number
  readonly whim: Whim
  readonly isConnected: boolean
}

class Hostile {
  readonly #whims = new Map<number, Whim>()
  readonly #versions = new Map<number, number>()
  readonly #isOurs: boolean
  #changes = 0

  constructor(isOurs: boolean) {
    this.#isOurs = isOurs
  }

  /** The record of the node as it is now: it changes whenever the service is fickle. */
  follow({ node: n, whim }: Moment): void {
    this.#whims.set(n, whim)
    this.#versions.set(n, (this.#versions.get(n) ?? 1) + (this.#isOurs ? 1 : 0))
  }

  /** The latest that the service ever told of the node. */
  told(n: number): Affiliate {
    return node(n, this.#versions.get(n) ?? 1, this.#isOurs)
  }

  report(isConnected: boolean): ServiceReport {
    this.#changes += 1
    const said = NODES.flatMap((n) => this.#said(n))
    const departed = NODES.filter((n) => this.#whims.get(n) === 'delete')
    return {
      name: 'hostile',
      isConnected,
      lastContactAt: 1,
      affiliates: new Map(
        said.map((affiliate) => [
          affiliate.nodeId,
          { affiliate, changedAt: this.#changes, seenAt: 1, stamp: JSON.stringify(affiliate) },
        ]),
      ),
      departures: new Map(departed.map((n) => [`n${n}`, { at: 1, explicit: true }])),
    }
  }

  #said(n: number): Affiliate[] {
    const now = this.told(n)
    const old = node(n, 0, this.#isOurs)
    const { kubespan } = old
    switch (this.#whims.get(n) ?? 'tell') {
      case 'tell':
        return [now]
      case 'withhold':
      case 'delete':
        return []
      case 'replay':
        return this.#isOurs ? [old] : [now]
      case 'former key':
        return [{ ...old, kubespan: { ...kubespan, publicKey: keyOf(100 + n) } }]
      case 'old farewell':
        return [{ ...affiliateOf({ nodeId: `n${n}` }), ...(this.#isOurs ? { sealedAt: WALL } : {}) }]
      case 'thief of its key':
        return [
          now,
          { ...affiliateOf({ nodeId: `a${n}`, publicKey: keyOf(n), address: 'fd00::66' as Address }) },
        ]
      case 'thief of its addresses':
        return [now, { ...old, nodeId: `a${n}`, kubespan: { ...kubespan, publicKey: keyOf(50 + n) } }]
    }
  }
}

const moments = fc.array(
  fc.record<Moment>({
    after: fc.constantFrom(10, 1_000, 30_000, 120_000, 3_600_000),
    node: fc.constantFrom(...NODES),
    whim: fc.constantFrom(...WHIMS),
    isConnected: fc.boolean(),
  }),
  { maxLength: 40 },
)

/** Honest nodes are up and heard within the last half minute; nobody else is. */
const live = (memory: MeshMemory, now: number): MeshMemory => ({
  ...memory,
  statuses: new Map(
    memory.specs.map(({ publicKey }) => [
      publicKey,
      NODES.some((n) => keyOf(n) === publicKey)
        ? ({ state: 'up', lastReceiveAt: now - 20_000, notUpSince: undefined } as unknown as PeerStatus)
        : ({ state: 'down', lastReceiveAt: undefined, notUpSince: 0 } as unknown as PeerStatus),
    ]),
  ),
})

for (const isOurs of [true, false])
  test(`whatever a service says, live nodes ${isOurs ? 'of ours' : 'of Talos'} stay peers, and nothing that one ever owned leaves in clear`, () => {
    fc.assert(
      fc.property(moments, (run) => {
        const hostile = new Hostile(isOurs)
        const recall = new GatherRecall()
        const owned = new Set<Prefix>()
        let memory: MeshMemory = EMPTY_MEMORY
        let now = 100_000
        const whims = new Set<Whim>()
        const look = (isConnected: boolean): void => {
          for (let pass = 0; pass < 2; pass += 1) {
            now += 10
            memory = live(memory, now)
            const gathered = gatherPeers(
              {
                ...{ memory, reports: [hostile.report(isConnected)], forgotten: new Set<string>(), now },
                identity: { nodeId: 'me', publicKey: keyOf(99) },
                ...{ settings: settingsOf(), listeningSince: 0 },
              },
              recall,
            )
            memory = { ...memory, ...gathered }
            const { routedV4, routedV6 } = planDesiredState({
              ...desiredOf([]),
              identity: { address: 'fd11::1' as Address, subnet: 'fd11::/64' as Prefix },
              ...{ specs: memory.specs, statuses: memory.statuses, endpoints: new Map() },
              ...{ claims: gathered.claims, held: memory.held, allowDownPeerBypass: false },
            })
            for (const { publicKey, allowedIps } of memory.specs)
              if (memory.statuses.get(publicKey)?.state === 'up')
                for (const prefix of allowedIps) owned.add(prefix)
            const missing = PrefixSet.of([...owned]).subtract(PrefixSet.of([...routedV4, ...routedV6]))
            assert.deepEqual(missing.toPrefixes(), [], 'leaves in clear')
          }
          if ([...whims].some((whim) => OF_A_MEMBER.has(whim))) return
          for (const n of NODES)
            assert.ok(
              memory.specs.some(({ nodeId, publicKey }) => nodeId === `n${n}` && publicKey === keyOf(n)),
              `n${n} is no peer any more`,
            )
        }
        look(true)
        for (const moment of run) {
          now += moment.after
          hostile.follow(moment)
          whims.add(moment.whim)
          look(moment.isConnected)
        }
      }),
      { numRuns: 100 },
    )
  })
