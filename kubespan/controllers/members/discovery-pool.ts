import { createHash } from 'node:crypto'
import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import type { Address, AddressPort } from '../../../shared/net/address.ts'
import { backoffDelay, CLIENT_BACKOFF } from '../../../shared/reconcile/backoff.ts'
import { Pacer } from '../../../shared/reconcile/pacer.ts'
import type { PeerSpec } from '../../model/peer.ts'
import {
  formatHostPort,
  type HostPort,
  parseHostPort,
  type ServiceEndpoint,
} from '../../model/service-endpoint.ts'
import type { Settings } from '../../model/settings.ts'
import { believedAddresses } from '../../plan/members/believed-addresses.ts'
import type { ServiceReport } from '../../plan/members/unite-services.ts'
import { type HarvestedEndpoint, planTelling } from '../../plan/paths/harvest.ts'
import { CHANGES_ALLOWANCE } from '../../sources/discovery/batches.ts'
import { DiscoveryClient } from '../../sources/discovery/client.ts'
import type { ClientLog, ClientStatus } from '../../sources/discovery/client-options.ts'
import type { DoubleSeen } from '../../sources/discovery/double.ts'
import { OwnSeals, type SealStore } from '../../sources/discovery/own-seals.ts'
import type { DiscoveryTransport } from '../../sources/discovery/transport.ts'

export interface DiscoveryPoolOptions {
  readonly clock: Clock
  /** A number from 0 to 1 that spreads the pauses of many nodes. */
  readonly random: () => number
  readonly log: ClientLog
  readonly onChange: () => void
  readonly dial: (endpoint: ServiceEndpoint, settings: Settings) => DiscoveryTransport
  /** Where it is kept which records are our own; nowhere by default. */
  readonly seals?: (settings: Settings) => SealStore
}

interface Entry {
  /** Everything that, when it changes, needs a new client. */
  readonly fingerprint: string
  readonly client: DiscoveryClient
}

export const describeUnpublished = ({ name, problem }: Pick<ClientStatus, 'name' | 'problem'>): string =>
  `discovery service ${name} does not take this node, so others do not learn of it there: ${problem}`

/** One client per configured discovery service, all told the same. */
export class DiscoveryPool implements AsyncDisposable {
  readonly #options: DiscoveryPoolOptions
  readonly #entries = new Map<string, Entry>()
  readonly #seals: OwnSeals
  /** However many services there are, and whatever they say. */
  readonly #changes: Pacer
  /** The state directory that its seals were read from. */
  #resumed: string | undefined
  /** For how long what a service said counts that is cut off. */
  #ttl: Milliseconds = 0
  #local: Affiliate | undefined
  #others: ReadonlyMap<string, readonly AddressPort[]> = new Map()

  constructor(options: DiscoveryPoolOptions) {
    this.#options = options
    this.#changes = new Pacer(options.clock, CHANGES_ALLOWANCE, options.onChange)
    this.#seals = new OwnSeals((problem) => options.log.warn({}, problem))
  }

  get statuses(): readonly (ClientStatus & { readonly affiliates: number })[] {
    return [...this.#entries.values()].map(({ client }) => ({
      ...client.status,
      affiliates: client.table.affiliates.size,
    }))
  }

  /** Where the services are spoken to now: what is configured, or where that sent us. */
  get goals(): readonly HostPort[] {
    return this.statuses.flatMap(({ endpoint }) => parseHostPort(endpoint) ?? [])
  }

  /** What each service says, as uniteServices takes it. */
  get reports(): readonly ServiceReport[] {
    return [...this.#entries].map(([name, { client }]) => ({
      name,
      isConnected: client.status.connected,
      lastContactAt: client.status.hasSnapshot ? client.status.lastContactAt : undefined,
      ...client.table,
    }))
  }

  /** When another machine was last seen to publish under our node id, and as what; undefined while none was. */
  get double(): DoubleSeen | undefined {
    const seen = this.statuses.flatMap(({ double }) => double ?? [])
    return seen.toSorted((one, other) => other.at - one.at)[0]
  }

  /** Our public addresses as the services tell them, without repetition. */
  get publicAddresses(): readonly Address[] {
    return believedAddresses(this.statuses, this.#options.clock.now(), this.#ttl)
  }

  /** Brings the clients in line with the settings: new ones start, changed ones are replaced, gone ones end. */
  async follow(settings: Settings, ownId: string): Promise<void> {
    this.#ttl = settings.timing.affiliateTtl
    const { stateDirectory } = settings.node
    if (this.#resumed !== stateDirectory) {
      this.#resumed = stateDirectory
      const store = this.#options.seals?.(settings)
      if (store !== undefined) await this.#seals.resume(store)
    }
    const wanted = new Map(
      (settings.cluster === undefined ? [] : settings.services).map((service) => [service.name, service]),
    )
    for (const [name, { fingerprint, client }] of [...this.#entries]) {
      const service = wanted.get(name)
      if (service !== undefined && this.#fingerprint(settings, service.endpoint, ownId) === fingerprint)
        continue
      this.#entries.delete(name)
      await client[Symbol.asyncDispose]()
    }
    for (const [name, service] of wanted) {
      if (this.#entries.has(name) || settings.cluster === undefined) continue
      const { clock, random, log, dial } = this.#options
      const { discoveryBackoffInitial, discoveryBackoffCap } = settings.timing
      const shape = { ...CLIENT_BACKOFF, initial: discoveryBackoffInitial, cap: discoveryBackoffCap }
      const client = new DiscoveryClient({
        name,
        endpoint: service.endpoint,
        ownId,
        key: settings.cluster.key,
        ttl: settings.timing.affiliateTtl,
        dial: (endpoint) => dial(endpoint, settings),
        clock,
        backoff: (failures) => backoffDelay(shape, failures, random()),
        onChange: () => this.#changes.want(),
        log,
        seals: this.#seals,
      })
      if (this.#local !== undefined) client.publish(this.#local)
      client.publishOthers(this.#others)
      client.start()
      this.#entries.set(name, { fingerprint: this.#fingerprint(settings, service.endpoint, ownId), client })
    }
  }

  /** Begins anew with every service, from the addresses that this host has now. */
  redial(): void {
    for (const { client } of this.#entries.values()) client.redial()
  }

  /**
   * Has every service show that it is still there. A router that gets another public address tells nobody behind it: paths die, and
   * so do connections, of which the services learn our new address only when they are made anew.
   */
  check(): void {
    for (const { client } of this.#entries.values()) client.check()
  }

  /** Publishes what this node says of itself once more, as a sign of life. */
  renew(): void {
    for (const { client } of this.#entries.values()) client.renew()
  }

  /** What this node says of itself, and what it has harvested for others. */
  publish(
    local: Affiliate,
    harvested: readonly HarvestedEndpoint[] = [],
    specs: readonly PeerSpec[] = [],
  ): void {
    this.#local = local
    const others = planTelling(harvested, specs, this.#others)
    this.#others = others
    for (const { client } of this.#entries.values()) {
      client.publish(local)
      client.publishOthers(others)
    }
  }

  /** Resolves to the names of the services that have not confirmed within the limit. */
  async leave(limitMilliseconds: number): Promise<readonly string[]> {
    const left = new Set<string>()
    const timeUp = Promise.withResolvers<void>()
    using _alarm = this.#options.clock.after(limitMilliseconds, timeUp.resolve)
    const leaving = [...this.#entries].map(async ([name, { client }]) => {
      await client.leave()
      left.add(name)
    })
    await Promise.race([Promise.all(leaving), timeUp.promise])
    return [...this.#entries.keys()].filter((name) => !left.has(name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#changes[Symbol.dispose]()
    const entries = [...this.#entries.values()]
    this.#entries.clear()
    await Promise.all(entries.map(({ client }) => client[Symbol.asyncDispose]()))
  }

  #fingerprint(settings: Settings, endpoint: ServiceEndpoint, ownId: string): string {
    const { cluster, timing, node } = settings
    return JSON.stringify([
      formatHostPort(endpoint),
      endpoint.plaintext,
      cluster?.id,
      // Two secrets are told apart without keeping either.
      cluster && createHash('sha256').update(cluster.key.presharedKey()).digest('hex'),
      ownId,
      timing.affiliateTtl,
      node.caFile,
    ])
  }
}
