import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Clock, Instant, Milliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import { type Address, parsePrefix } from '../../../shared/net/address.ts'
import type { KubernetesReport, NodeMatcher, OwnNode } from '../../model/kubernetes.ts'
import { toAnnotations } from './annotations.ts'
import { Annotator, type OwnNodeLook } from './annotator.ts'
import { ApiError, type KubernetesApi, type RegistryLog, type WatchEvent } from './api.ts'
import { ApiServers } from './api-servers.ts'
import { keepWatching } from './keep-watching.ts'
import { CredentialsError } from './kubeconfig.ts'
import { type MachineFacts, matchNode, type NodeMatch } from './node-match.ts'
import type { NodeRecord, RawNode } from './node-record.ts'
import { NodeTable } from './node-table.ts'
import type { RegistryMemory, Remembered } from './registry-memory.ts'

export interface KubernetesRegistryOptions {
  readonly api: KubernetesApi
  readonly memory: RegistryMemory
  readonly clock: Clock
  /** Consecutive failures to the pause before the next attempt. */
  readonly backoff: (failures: number) => Milliseconds
  /** The addresses of a host name. */
  readonly resolve: (host: string) => Promise<readonly Address[]>
  readonly ownId: string
  /** What this machine knows of itself; its addresses come with what it publishes. */
  readonly machine: Omit<MachineFacts, 'addresses'>
  readonly matchNodeBy: readonly NodeMatcher[]
  readonly onChange: () => void
  readonly log: RegistryLog
}

/** While the Nodes may not be listed, our own is asked for so often. */
const OWN_NODE_LOOK_EVERY: Milliseconds = 60_000

/** One node's view of the Nodes of a Kubernetes cluster, and its own annotations there (SPEC 5). */
export class KubernetesRegistry implements AsyncDisposable {
  readonly #options: KubernetesRegistryOptions
  readonly #stop = new AbortController()
  readonly #table = new NodeTable()
  readonly #servers: ApiServers
  readonly #annotator: Annotator
  #running: Promise<void> | undefined
  #isSynced = false
  #isConnected = false
  #isForbidden = false
  #hasCredentials = true
  #lastContactAt: Instant | undefined
  #addresses: readonly Address[] = []
  #match: NodeMatch = { problem: 'the Nodes are not known yet' }
  #readProblem: string | undefined = 'not connected yet'
  #report: KubernetesReport | undefined
  /** From the time before; good until we know better. */
  #remembered: Omit<Remembered, 'nodeId'> = { own: undefined, apiServers: [] }
  #stored = ''
  #storing: Promise<void> = Promise.resolve()

  constructor(options: KubernetesRegistryOptions) {
    this.#options = options
    const onChange = (): void => this.#changed()
    this.#servers = new ApiServers({ ...options, onChange })
    this.#annotator = new Annotator({
      ...options,
      ownNode: (signal) => this.#ownNode(signal),
      onPatched: (node) => {
        this.#lastContactAt = options.clock.now()
        if (this.#table.set(node)) this.#changed()
      },
      onProblem: onChange,
    })
  }

  /** The same value until something has changed. */
  get report(): KubernetesReport {
    this.#report ??= this.#describe()
    return this.#report
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Goes on over other connections: from the addresses that this host has now. */
  redial(): void {
    this.#options.api.redial()
  }

  /** Sets what our Node says. */
  publish(affiliate: Affiliate): void {
    const isMoved = JSON.stringify(this.#addresses) !== JSON.stringify(affiliate.addresses)
    this.#addresses = affiliate.addresses
    if (isMoved) this.#findOwn()
    this.#annotator.publish(toAnnotations(affiliate))
  }

  /** Takes our annotations from our Node and keeps them off. Resolves once that is so. */
  retract(): Promise<void> {
    return this.#annotator.retract()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#annotator[Symbol.asyncDispose]()
    await this.#running
    await this.#storing
  }

  async #run(): Promise<void> {
    const { memory, ownId, api, clock, backoff } = this.#options
    const { signal } = this.#stop
    const remembered = await memory.read()
    if (remembered?.nodeId === ownId) this.#remembered = remembered
    await this.#servers.locate()
    const nodes = keepWatching<RawNode>(
      {
        clock,
        backoff,
        read: (limit) => this.#readNodes(limit),
        watch: (version, limit) => api.watchNodes(version, limit),
        onEvent: (event) => this.#onNode(event),
        onOpen: () => this.#onOpen(),
        onFailure: (error, pause) => this.#onFailure(error, pause),
      },
      signal,
    )
    await Promise.all([nodes, this.#servers.follow(signal)])
  }

  async #readNodes(signal: AbortSignal): Promise<string> {
    const { items, resourceVersion } = await this.#options.api.listNodes(signal)
    this.#table.replace(items)
    this.#isSynced = true
    this.#isForbidden = false
    this.#hasCredentials = true
    this.#nodesChanged()
    return resourceVersion
  }

  #onOpen(): void {
    this.#lastContactAt = this.#options.clock.now()
    if (this.#isConnected) return
    this.#isConnected = true
    this.#readProblem = undefined
    this.#options.log.info({ nodes: this.#table.nodes.size }, 'kubernetes API connected')
    this.#changed()
  }

  #onNode(event: WatchEvent<RawNode>): void {
    this.#lastContactAt = this.#options.clock.now()
    const isChanged =
      event.kind === 'set'
        ? this.#table.set(event.object)
        : event.kind === 'deleted' && this.#table.delete(event.object.metadata?.name ?? '')
    if (isChanged) this.#nodesChanged()
  }

  #onFailure(error: unknown, pause: Milliseconds): void {
    const { log } = this.#options
    this.#isConnected = false
    this.#isForbidden = error instanceof ApiError && error.status === 403
    this.#hasCredentials = !(error instanceof CredentialsError)
    const problem = messageOf(error)
    if (problem !== this.#readProblem)
      log.warn({ problem, pauseMilliseconds: Math.round(pause) }, 'kubernetes API connection lost')
    this.#readProblem = problem
    void this.#servers.locate()
    this.#changed()
    if (this.#isForbidden) this.#annotator.wake()
  }

  #nodesChanged(): void {
    this.#findOwn()
    this.#annotator.wake()
    this.#changed()
  }

  #findOwn(): void {
    const { machine, matchNodeBy, ownId, log } = this.#options
    if (!this.#isSynced && this.#table.nodes.size === 0) return
    const was = JSON.stringify(this.#match)
    const facts = { ...machine, addresses: this.#addresses }
    this.#match = matchNode(this.#table.nodes, facts, matchNodeBy, ownId)
    if (JSON.stringify(this.#match) === was) return
    log.info(this.#match, 'name' in this.#match ? 'own kubernetes node found' : 'no own kubernetes node')
    this.#annotator.wake()
    this.#changed()
  }

  get #own(): NodeRecord | undefined {
    return 'name' in this.#match ? this.#table.nodes.get(this.#match.name) : undefined
  }

  async #ownNode(signal: AbortSignal): Promise<OwnNodeLook> {
    if (!this.#isForbidden) return { record: this.#own, isKnown: this.#isSynced }
    await this.#askForOwn(signal)
    return { record: this.#own, isKnown: this.#own !== undefined, again: OWN_NODE_LOOK_EVERY }
  }

  /** Whoever may not list the Nodes may still read and annotate its own: a kubelet since Kubernetes 1.32 (SPEC 5). */
  async #askForOwn(signal: AbortSignal): Promise<void> {
    const { api, machine } = this.#options
    const names = machine.nodeName ?? machine.hostnames.map((name) => name.toLowerCase())
    for (const name of new Set([names].flat())) {
      try {
        if (this.#table.set(await api.node(name, signal))) this.#changed()
        break
      } catch (error) {
        if (!(error instanceof ApiError) || (error.status !== 404 && error.status !== 403)) throw error
      }
    }
    this.#findOwn()
  }

  #describe(): KubernetesReport {
    const record = this.#own
    const own: OwnNode | undefined = record && {
      name: record.view.name,
      podCidrs: (record.view.podCIDRs ?? []).map(parsePrefix).filter((prefix) => prefix !== undefined),
    }
    const { endpoint, named, resolved, behind } = this.#servers
    const noMatch = this.#isSynced && 'problem' in this.#match ? this.#match.problem : undefined
    const problems = [this.#readProblem, noMatch, this.#annotator.problem]
    return {
      isSynced: this.#isSynced,
      hasCredentials: this.#hasCredentials,
      isConnected: this.#isConnected,
      lastContactAt: this.#lastContactAt,
      endpoint,
      affiliates: this.#table.affiliates(own?.name),
      departures: this.#table.departures,
      doubles: this.#table.doubles(own && { name: own.name, nodeId: this.#options.ownId }),
      own: own ?? (this.#isSynced ? undefined : this.#remembered.own),
      apiServers: [...new Set([...named, ...(behind ?? this.#remembered.apiServers)])].sort(),
      resolvedApiServers: resolved,
      problem: problems.filter((problem) => problem !== undefined).join('; ') || undefined,
    }
  }

  #changed(): void {
    this.#report = undefined
    if (this.#stop.signal.aborted) return
    this.#remember()
    this.#options.onChange()
  }

  #remember(): void {
    const { memory, ownId, log } = this.#options
    if (!this.#isSynced) return
    const apiServers = this.#servers.behind ?? this.#remembered.apiServers
    const remembered: Remembered = { nodeId: ownId, own: this.report.own, apiServers }
    const text = JSON.stringify(remembered)
    if (text === this.#stored) return
    this.#stored = text
    this.#storing = this.#storing
      .then(() => memory.write(remembered))
      .catch((error: unknown) => log.warn({ problem: String(error) }, 'kubernetes state not stored'))
  }
}
