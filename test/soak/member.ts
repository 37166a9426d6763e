import { fromBinary } from '@bufbuild/protobuf'
import { type Affiliate, ListResponseSchema, WatchResponseSchema } from '../../proto/gen/cluster_pb.ts'
import { clusterFrame, deleteFrame, updateFrame } from '../bench/messages.ts'
import { addressOf, Session } from '../bench/session.ts'
import type { Random } from '../fuzz/random.ts'

/** An affiliate as a line, endpoints in the order that was told. */
const lineOf = ({ data, endpoints }: Affiliate): string =>
  [data, ...endpoints].map((bytes) => Buffer.from(bytes).toString('hex')).join(' ')

export type View = ReadonlyMap<string, string>

/** One node: it watches its cluster, is a member of it at times, and goes and comes back. */
export class Member implements Disposable {
  readonly #endpoint: string
  readonly #clusterId: string
  readonly #id: string
  readonly #index: number
  readonly #view = new Map<string, string>()
  #session: Session | undefined
  #address = ''
  #starts = 0
  /** Watches that the service ended, calls that failed. */
  readonly faults: string[] = []

  constructor(endpoint: string, clusterId: string, index: number) {
    this.#endpoint = endpoint
    this.#clusterId = clusterId
    this.#id = `member ${index}`
    this.#index = index
  }

  get view(): View {
    return this.#view
  }

  /** Connects and watches anew, with an empty view, whatever was before. */
  async restart(): Promise<void> {
    this[Symbol.dispose]()
    this.#starts += 1
    this.#address = addressOf(this.#index * 64 + (this.#starts % 64))
    const session = await Session.connect(this.#endpoint)
    this[Symbol.dispose]() // another restart may have been quicker
    this.#session = session
    this.#view.clear()
    const { ended } = session.watch(clusterFrame(this.#clusterId), this.#address, (message) => {
      if (this.#session === session) this.#see(message)
    })
    void ended.then((status) => {
      if (this.#session === session) this.faults.push(`the watch ended with ${status}`)
    })
  }

  async join(random: Random, ttlSeconds: number): Promise<void> {
    const endpoints = Array.from({ length: random.below(4) }, () => random.bytes(20))
    await this.#call(
      'AffiliateUpdate',
      updateFrame({
        clusterId: this.#clusterId,
        affiliateId: this.#id,
        data: random.bytes(50 + random.below(200)),
        endpoints,
        ttlSeconds,
      }),
    )
  }

  leave(): Promise<Buffer | undefined> {
    return this.#call('AffiliateDelete', deleteFrame(this.#clusterId, this.#id))
  }

  async list(): Promise<View> {
    const message = await this.#call('List', clusterFrame(this.#clusterId))
    const { affiliates } = fromBinary(ListResponseSchema, message ?? new Uint8Array(0))
    return new Map(affiliates.map((affiliate) => [affiliate.id, lineOf(affiliate)]))
  }

  [Symbol.dispose](): void {
    const session = this.#session
    this.#session = undefined
    session?.[Symbol.dispose]()
  }

  async #call(method: string, frame: Buffer): Promise<Buffer | undefined> {
    const session = this.#session
    if (session === undefined) return undefined
    const { status, words, message } = await session.call(method, frame, this.#address)
    // A call that was under way when this member restarted is cut off.
    if (status !== '0' && this.#session === session)
      this.faults.push(`${method} ended with ${status} ${words}`)
    return status === '0' ? message : undefined
  }

  #see(message: Buffer): void {
    const { affiliates, deleted } = fromBinary(WatchResponseSchema, message)
    for (const affiliate of affiliates)
      if (!deleted) this.#view.set(affiliate.id, lineOf(affiliate))
      // What came and went between two messages is told as gone, for whoever owns it.
      else this.#view.delete(affiliate.id)
  }
}
