import { Paths } from '../../kubespan/controllers/paths/paths.ts'
import { Racer } from '../../kubespan/controllers/paths/racer.ts'
import type { ObservedLink } from '../../kubespan/model/observed.ts'
import type { PeerStatus, WireGuardView } from '../../kubespan/model/peer.ts'
import type { Settings } from '../../kubespan/model/settings.ts'
import { isRelay } from '../../kubespan/plan/paths/peer-look.ts'
import type { Clock } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import { FakeRaceSockets, initiation } from './fake-race-sockets.ts'
import { specOf, wireguardPeerOf } from './peers.ts'
import { type KernelOwner, type Packet, type Send, SimulatedKernel } from './simulated-kernel.ts'
import type { Timeline } from './simulated-network.ts'

const PASS_AT_LEAST_EVERY = 30_000
const UNKNOWN_LOOK_EVERY = 500
const ECHO_WITHIN = 400
/** What a pass costs on a quiet machine. */
const PASS_TAKES = 5

export interface DaemonOptions {
  readonly key: string
  readonly peer: string
  readonly timeline: Timeline
  readonly random: () => number
  readonly send: Send
  readonly settings: Settings
  /** Whether this host has `fping`. */
  readonly canEcho: boolean
}

export type DaemonEvent =
  | `${PeerStatus['state'] | 'new'} → ${PeerStatus['state']}`
  | 'WireGuard was made to begin anew'
  | 'deaf to the old path'
  | 'an echo got no answer'

/** The daemon's own way of finding and keeping a path to one peer, on a WireGuard and in a network that are simulated. */
export class SimulatedDaemon implements KernelOwner {
  readonly key: string
  readonly timeline: Timeline
  readonly random: () => number
  readonly kernel: SimulatedKernel
  /** What discovery says of the peer, and the links of this host. */
  endpoints: readonly AddressPort[] = []
  links: readonly ObservedLink[] = []
  state: PeerStatus['state'] | undefined
  onEvent: (event: DaemonEvent) => void = () => {}
  readonly #options: DaemonOptions
  readonly #paths: Paths
  readonly #sockets = new FakeRaceSockets()
  readonly #packets: Packet[] = []
  readonly #pending = new Map<number, () => void>()
  #deafTo: ReadonlySet<AddressPort> = new Set()
  #memory: ReadonlyMap<string, PeerStatus> = new Map()
  #echoes = 0
  #passAt = Number.POSITIVE_INFINITY

  constructor(options: DaemonOptions) {
    const { key, timeline, random, send, canEcho } = options
    this.#options = options
    this.key = key
    this.timeline = timeline
    this.random = random
    this.kernel = new SimulatedKernel(this, send)
    // Copies leave as they are due, and knocks are data.
    this.#sockets.send = (bytes, to) => {
      if (bytes.length < NUMBER_AT) return this.kernel.transmit(options.peer, { kind: 'echo', id: -1 })
      const packet = this.#packets[Buffer.from(bytes).readUInt32LE(NUMBER_AT)]
      if (packet !== undefined) send(packet, to)
    }
    const clock: Clock = {
      now: () => timeline.now,
      wall: () => timeline.now,
      after: (delay, wake) => {
        let isOff = false
        timeline.at(timeline.now + delay, () => (isOff ? undefined : wake()))
        return {
          [Symbol.dispose]: () => {
            isOff = true
          },
        }
      },
    }
    const racer = new Racer({ clock, sockets: this.#sockets })
    this.#paths = new Paths({
      clock,
      racer: async () => racer,
      warn: (problem) => {
        throw new Error(problem)
      },
      host: {
        echo: async () => (canEcho ? await this.#echo() : undefined),
        deafen: async (_, sources) => {
          if (sources.length > 0) this.onEvent('deaf to the old path')
          this.#deafTo = new Set(sources)
        },
        setEndpoints: async (_, endpoints) => {
          for (const [to, endpoint] of endpoints) {
            const peer = this.kernel.peers.get(to)
            if (peer !== undefined) peer.endpoint = endpoint
          }
        },
        paths: { load: async () => [], save: async () => {} },
      },
    })
  }

  receive(packet: Packet, from: AddressPort): void {
    if (!this.#deafTo.has(from)) this.kernel.receive(packet, from)
  }

  onRelay(_key: string, packet: Packet): void {
    const bytes = initiation()
    Buffer.from(bytes.buffer).writeUInt32LE(this.#packets.push(packet) - 1, NUMBER_AT)
    for (const hand of this.#sockets.relays.values()) hand(bytes)
  }

  onAnswer(_key: string, id: number): void {
    this.#pending.get(id)?.()
    if (id >= TRAFFIC_FROM) this.answered.set(id, this.timeline.now)
  }

  /** Sends a ping of its users through the tunnel. */
  ping(): void {
    this.kernel.transmit(this.#options.peer, { kind: 'echo', id: TRAFFIC_FROM + this.pings })
    this.pings += 1
  }

  /** When pings were answered, by their numbers from `TRAFFIC_FROM` on. */
  readonly answered = new Map<number, number>()
  pings = 0

  /** Something that this daemon listens to has changed. */
  wake(): void {
    this.#planPass(this.timeline.now + PASS_TAKES)
  }

  #planPass(at: number): void {
    this.#passAt = at
    this.timeline.at(at, () => (this.#passAt === at ? this.#pass() : undefined))
  }

  async #pass(): Promise<void> {
    const { timeline, kernel } = this
    const { peer: key, settings } = this.#options
    const spec = specOf({ publicKey: key, endpoints: this.endpoints })
    const { statuses, endpoints, resets, kicks, again } = await this.#paths.step({
      specs: [spec],
      memory: this.#memory,
      view: this.#view(),
      identity: { publicKey: this.key, subnet: 'fd00::/64' as Prefix },
      links: this.links,
      settings,
      now: timeline.now,
    })
    this.#memory = statuses
    const was = this.state ?? 'new'
    this.state = statuses.get(key)?.state
    if (this.state !== undefined && this.state !== was) this.onEvent(`${was} → ${this.state}`)
    if (resets.includes(key)) this.onEvent('WireGuard was made to begin anew')
    const found = kernel.peers.get(key)
    const endpoint = endpoints.get(key)
    const goal = isRelay(endpoint) ? undefined : endpoint
    if (endpoint !== undefined && (found === undefined || resets.includes(key) || kicks.includes(key)))
      kernel.begin(key, resets.includes(key), goal)
    else if (found !== undefined && endpoint !== undefined) found.endpoint = goal
    const soon = this.state === 'unknown' ? UNKNOWN_LOOK_EVERY : PASS_AT_LEAST_EVERY
    this.#planPass(timeline.now + PASS_TAKES + Math.min(again ?? Number.POSITIVE_INFINITY, soon))
  }

  #view(): WireGuardView {
    const { peer: key } = this.#options
    const peer = this.kernel.peers.get(key)
    const view = { publicKey: undefined, listenPort: 51820, fwmark: 0x20 }
    if (peer === undefined) return { ...view, peers: new Map() }
    const seen = wireguardPeerOf({
      publicKey: key,
      endpoint: peer.endpoint ?? RELAY,
      lastHandshakeStamp: peer.session === 0 ? undefined : peer.session,
      lastHandshakeAt: peer.session === 0 ? undefined : peer.establishedAt,
      receiveBytes: this.kernel.received.get(key) ?? 0,
      transmitBytes: this.kernel.sent.get(key) ?? 0,
    })
    return { ...view, peers: new Map([[key, seen]]) }
  }

  #echo(): Promise<ReadonlyMap<Address, number>> {
    const { timeline } = this
    const { peer } = this.#options
    this.#echoes += 1
    const id = this.#echoes
    const askedAt = timeline.now
    return new Promise((resolve) => {
      const end = (answers: ReadonlyMap<Address, number>): void => {
        this.#pending.delete(id)
        resolve(answers)
      }
      this.#pending.set(id, () => end(new Map([[specOf({}).address, timeline.now - askedAt]])))
      timeline.at(askedAt + ECHO_WITHIN, () => {
        if (this.#pending.has(id)) this.onEvent('an echo got no answer')
        end(new Map())
      })
      this.kernel.transmit(peer, { kind: 'echo', id })
    })
  }
}

/** Numbers of pings, so that they are not taken for the daemon's own echoes. */
export const TRAFFIC_FROM = 1_000_000
/** Where an initiation of a real WireGuard has its sender's number. */
const NUMBER_AT = 4
const RELAY = '127.0.0.1:1' as AddressPort
