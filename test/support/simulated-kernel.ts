import type { AddressPort } from '../../shared/net/address.ts'
import type { Timeline } from './simulated-network.ts'

export interface Packet {
  readonly from: string
  readonly to: string
  readonly kind: 'initiation' | 'response' | 'data'
  /** Of the handshake that it belongs to: later ones have higher stamps. */
  readonly stamp: number
  /** What a data packet carries; nothing is a keepalive. */
  readonly load?: { readonly kind: 'echo' | 'answer'; readonly id: number }
}

/** Whose kernel it is. */
export interface KernelOwner {
  readonly key: string
  readonly timeline: Timeline
  readonly random: () => number
  /** The kernel has called a peer whose endpoint is a relay. */
  onRelay(key: string, packet: Packet): void
  onAnswer?(key: string, id: number): void
}

export type Send = (packet: Packet, to: AddressPort) => void

/** One peer in WireGuard, as far as handshakes and roaming go. */
export interface KernelPeer {
  /** Undefined is the relay. */
  endpoint: AddressPort | undefined
  /** The initiation of ours that may still be answered: taking one in forgets it. */
  initiated: number
  /** The newest initiation of the peer: older ones and repetitions are refused. */
  takenIn: number
  /** The handshake of the session in use. */
  session: number
  establishedAt: number
  sentAt: number
  retryUntil: number
  isUp: boolean
}

const NEW_PEER: KernelPeer = {
  endpoint: undefined,
  initiated: 0,
  takenIn: 0,
  session: 0,
  establishedAt: 0,
  sentAt: Number.NEGATIVE_INFINITY,
  retryUntil: 0,
  isUp: false,
}

const RETRY_EVERY = 5000
const RETRY_JITTER = 333
const GIVE_UP_AFTER = 90_000
const KEEPALIVE_EVERY = 25_000

/** WireGuard's handshake and roaming, with its habit of one handshake state per peer. */
export class SimulatedKernel {
  readonly peers = new Map<string, KernelPeer>()
  /** In all, whatever was reset. */
  readonly received = new Map<string, number>()
  /** In all as well. */
  readonly sent = new Map<string, number>()
  readonly #node: KernelOwner
  readonly #send: Send
  #stamps = 0

  constructor(node: KernelOwner, send: Send) {
    this.#node = node
    this.#send = send
  }

  /** Adds the peer, or removes and adds it, and makes it begin. */
  begin(key: string, reset: boolean, endpoint: AddressPort | undefined): void {
    const { now } = this.#node.timeline
    const peer = (reset ? undefined : this.peers.get(key)) ?? { ...NEW_PEER }
    this.peers.set(key, peer)
    peer.endpoint = endpoint
    peer.retryUntil = now + GIVE_UP_AFTER
    if (now - peer.sentAt >= RETRY_EVERY) this.#initiate(key)
  }

  #initiate(key: string): void {
    const { timeline, random } = this.#node
    const peer = this.peers.get(key)
    if (peer === undefined || peer.isUp || timeline.now >= peer.retryUntil) return
    this.#stamps += 1
    peer.initiated = timeline.now * 1000 + this.#stamps
    peer.sentAt = timeline.now
    const packet: Packet = { from: this.#node.key, to: key, kind: 'initiation', stamp: peer.initiated }
    if (peer.endpoint === undefined) this.#node.onRelay(key, packet)
    else this.#send(packet, peer.endpoint)
    timeline.at(timeline.now + RETRY_EVERY + random() * RETRY_JITTER, () => {
      if (this.peers.get(key) === peer) this.#initiate(key)
    })
  }

  receive(packet: Packet, from: AddressPort): void {
    const peer = this.peers.get(packet.from)
    if (packet.to !== this.#node.key || peer === undefined) return
    const { stamp } = packet
    if (packet.kind === 'initiation') {
      if (stamp <= peer.takenIn) return
      peer.takenIn = stamp
      peer.initiated = 0
    } else if (packet.kind === 'response') {
      if (stamp !== peer.initiated) return
      peer.initiated = 0
      this.#establish(packet.from, peer, stamp)
    } else {
      if (stamp !== peer.takenIn && stamp !== peer.session) return
      this.#establish(packet.from, peer, stamp)
    }
    peer.endpoint = from
    this.received.set(packet.from, (this.received.get(packet.from) ?? 0) + 100)
    const answer = { initiation: 'response', response: 'data', data: undefined } as const
    const kind = answer[packet.kind]
    if (kind !== undefined) this.#send({ from: this.#node.key, to: packet.from, kind, stamp }, from)
    if (packet.load?.kind === 'echo') this.transmit(packet.from, { ...packet.load, kind: 'answer' })
    else if (packet.load !== undefined) this.#node.onAnswer?.(packet.from, packet.load.id)
  }

  /** Sends data through the tunnel, or throws it away where there is none. On a relay it is counted and goes nowhere. */
  transmit(key: string, load?: Packet['load']): void {
    const peer = this.peers.get(key)
    if (peer === undefined || !peer.isUp) return
    this.sent.set(key, (this.sent.get(key) ?? 0) + 100)
    const packet: Packet = { from: this.#node.key, to: key, kind: 'data', stamp: peer.session }
    if (peer.endpoint !== undefined)
      this.#send(load === undefined ? packet : { ...packet, load }, peer.endpoint)
  }

  /** A session sends keepalives, the first of which also confirms it to the peer. */
  #establish(key: string, peer: KernelPeer, stamp: number): void {
    if (peer.session === stamp) return
    peer.session = stamp
    peer.isUp = true
    peer.establishedAt = this.#node.timeline.now
    const { timeline } = this.#node
    const keepAlive = (): void => {
      if (this.peers.get(key) !== peer || peer.session !== stamp) return
      this.transmit(key)
      timeline.at(timeline.now + KEEPALIVE_EVERY, keepAlive)
    }
    timeline.at(timeline.now + KEEPALIVE_EVERY, keepAlive)
  }
}
