import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'
import { type BackoffShape, backoffDelay } from '../../../shared/reconcile/backoff.ts'
import { ownVersion } from '../../../shared/version.ts'
import type {
  KubernetesAccess,
  KubernetesRegistrySettings,
  KubernetesReport,
} from '../../model/kubernetes.ts'
import type { Settings } from '../../model/settings.ts'
import type { KubernetesApi, RegistryLog } from '../../sources/kubernetes/api.ts'
import { Credentials } from '../../sources/kubernetes/credentials.ts'
import { HttpKubernetesApi } from '../../sources/kubernetes/http-api.ts'
import { systemMachineId } from '../../sources/kubernetes/machine-id.ts'
import { KubernetesRegistry } from '../../sources/kubernetes/registry.ts'
import { registryMemoryFile } from '../../sources/kubernetes/registry-memory.ts'
import { systemLookup } from '../../sources/resolver.ts'

export interface KubernetesTierOptions {
  readonly clock: Clock
  /** A number from 0 to 1 that spreads the pauses of many nodes. */
  readonly random: () => number
  readonly log: RegistryLog
  readonly onChange: () => void
  readonly dial: (access: KubernetesAccess) => KubernetesApi
  readonly resolve: (host: string) => Promise<readonly Address[]>
  /** The id of this machine as systemd has it; empty when it has none. */
  readonly machineId: () => Promise<string>
}

/** An API server that starts anew is waited for in step with its start, and not by a thousand nodes at once. */
const BACKOFF: BackoffShape = { initial: 500, factor: 2, cap: 8_000, spread: 0.5 }
const MEMORY_FILE = 'kubernetes.json'
/** Told to whoever leaves while the API server is out of reach. */
export const STILL_ANNOTATED = 'the API server did not confirm: the annotations of our Node stay'

/** The Kubernetes registry as the settings want it: running, or taking back what it wrote, or not there. */
export class KubernetesTier implements AsyncDisposable {
  readonly #options: KubernetesTierOptions
  #registry: KubernetesRegistry | undefined
  /** Everything that, when it changes, needs a new registry. Empty: there is none, and nothing to take back. */
  #fingerprint = ''
  #isOn = false
  readonly #retractions = new Set<KubernetesRegistry>()

  constructor(options: KubernetesTierOptions) {
    this.#options = options
  }

  /** Undefined while the registry is off. */
  get report(): KubernetesReport | undefined {
    return this.#isOn ? this.#registry?.report : undefined
  }

  /** Brings the registry in line with the settings. With KubeSpan off there is nothing to say on our Node either. */
  async follow(settings: Settings, ownId: string): Promise<void> {
    const { enabled, kubernetes, node } = settings
    const isOn = enabled && kubernetes?.enabled === true
    const fingerprint =
      kubernetes === undefined
        ? ''
        : JSON.stringify([
            isOn,
            { ...kubernetes, enabled: true },
            node.nodename,
            node.hostname,
            node.stateDirectory,
            ownId,
          ])
    if (fingerprint === this.#fingerprint) return
    const registry = this.#registry
    const wasOn = this.#isOn
    this.#fingerprint = fingerprint
    this.#registry = undefined
    this.#isOn = isOn
    if (isOn) {
      await this.#endRetractions()
      await registry?.[Symbol.asyncDispose]()
    } else if (registry !== undefined && wasOn) this.#retract(registry)
    if (kubernetes === undefined || (!isOn && wasOn)) return
    const made = await this.#make(kubernetes, settings, ownId)
    made.start()
    // Turned off while we were not running: what the last run wrote may still be there.
    if (isOn) this.#registry = made
    else this.#retract(made)
  }

  /** Goes on over other connections, from the addresses that this host has now. */
  redial(): void {
    this.#registry?.redial()
  }

  publish(local: Affiliate): void {
    this.#registry?.publish(local)
  }

  /** Takes our annotations back. False when that could not be done within the limit. */
  async leave(limitMilliseconds: number): Promise<boolean> {
    const registry = this.#registry
    if (registry === undefined) return true
    const timeUp = Promise.withResolvers<false>()
    using _alarm = this.#options.clock.after(limitMilliseconds, () => timeUp.resolve(false))
    return await Promise.race([registry.retract().then(() => true), timeUp.promise])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const registry = this.#registry
    this.#registry = undefined
    this.#isOn = false
    await Promise.all([registry?.[Symbol.asyncDispose](), this.#endRetractions()])
  }

  /** In the background: the API server may be long in coming back. */
  #retract(registry: KubernetesRegistry): void {
    this.#retractions.add(registry)
    void registry.retract().then(async () => {
      await registry[Symbol.asyncDispose]()
      this.#retractions.delete(registry)
    })
  }

  async #endRetractions(): Promise<void> {
    const ending = [...this.#retractions]
    this.#retractions.clear()
    await Promise.all(ending.map((registry) => registry[Symbol.asyncDispose]()))
  }

  async #make(
    kubernetes: KubernetesRegistrySettings,
    { node }: Settings,
    ownId: string,
  ): Promise<KubernetesRegistry> {
    const { clock, random, dial, machineId } = this.#options
    return new KubernetesRegistry({
      ...this.#options,
      api: dial(kubernetes.access),
      memory: registryMemoryFile(`${node.stateDirectory}/${MEMORY_FILE}`),
      clock,
      backoff: (failures): Milliseconds => backoffDelay(BACKOFF, failures, random()),
      ownId,
      machine: {
        nodeName: kubernetes.nodeName,
        hostnames: [node.nodename, node.hostname],
        machineId: await machineId(),
        providerId: kubernetes.providerId ?? '',
      },
      matchNodeBy: kubernetes.matchNodeBy,
    })
  }
}

/** The tier that talks to real API servers. */
export const systemKubernetesTier = (
  options: Pick<KubernetesTierOptions, 'clock' | 'log' | 'onChange'>,
): KubernetesTier =>
  new KubernetesTier({
    ...options,
    random: Math.random,
    dial: (access) =>
      new HttpKubernetesApi({
        credentials: new Credentials({ access, environment: process.env }),
        clock: options.clock,
        random: Math.random,
        userAgent: `kubespan/${ownVersion()}`,
      }),
    resolve: systemLookup,
    machineId: () => systemMachineId(),
  })
