import type { Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { Address } from '../../shared/net/address.ts'
import type { PrefixSet } from '../../shared/net/prefix-set.ts'
import {
  type ConnectionPeer,
  chooseClientAddress,
  type ForwardTrust,
  IgnoredHeaders,
  judgePeer,
} from './client-address.ts'

export interface PeerJudgeOptions {
  readonly trustedProxies: PrefixSet
  readonly trust: ForwardTrust
  /** A forwarded address was not believed, for the first time from this peer. */
  readonly onIgnored: (warning: string) => void
}

const VERDICTS_MAX = 4096

/** The verdict goes with its session: a table of sessions on the side costs more than all the rest. */
const PEER = Symbol('peer')
type JudgedSession = Http2Session & { [PEER]?: ConnectionPeer }

/** Says which address a call comes from. Its connection is judged once, for all calls on it. */
export class PeerJudge {
  readonly #options: PeerJudgeOptions
  /** By the address as the socket says it. */
  readonly #verdicts = new Map<string | undefined, ConnectionPeer>()
  readonly #ignored = new IgnoredHeaders()

  constructor(options: PeerJudgeOptions) {
    this.#options = options
  }

  /** Forwarded addresses that were not believed. */
  get ignoredHeaders(): number {
    return this.#ignored.count
  }

  /** Whether whoever calls does so through a proxy, by what it is or by what it says. */
  readonly isOfProxy = (
    { session }: Pick<ServerHttp2Stream, 'session'>,
    headers: IncomingHttpHeaders,
  ): boolean => {
    if (session === undefined) return true
    const judged: JudgedSession = session
    judged[PEER] ??= this.#judge(session.socket.remoteAddress)
    const isForwarded = headers['x-real-ip'] !== undefined || headers['x-forwarded-for'] !== undefined
    return isForwarded || judged[PEER].isTrustedProxy
  }

  readonly addressOf = (
    { session }: Pick<ServerHttp2Stream, 'session'>,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): Address | undefined => {
    if (session === undefined) return undefined
    const { trust, onIgnored } = this.#options
    const judged: JudgedSession = session
    judged[PEER] ??= this.#judge(session.socket.remoteAddress)
    const peer = judged[PEER]
    const client = chooseClientAddress(peer, headers, rawHeaders, trust)
    const warning = this.#ignored.note(client)
    if (warning !== undefined) onIgnored(warning)
    return client.address
  }

  /** Many connections come from few addresses where there are proxies, and from the same again where nodes reconnect. */
  #judge(remoteAddress: string | undefined): ConnectionPeer {
    const known = this.#verdicts.get(remoteAddress)
    if (known !== undefined) return known
    if (this.#verdicts.size >= VERDICTS_MAX) this.#verdicts.clear()
    const peer = judgePeer(remoteAddress, this.#options.trustedProxies)
    this.#verdicts.set(remoteAddress, peer)
    return peer
  }
}
