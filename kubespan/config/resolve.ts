import { ClusterKey } from '../../shared/affiliate/seal.ts'
import type { Prefix } from '../../shared/net/address.ts'
import * as constants from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'
import type { KubernetesRegistrySettings } from '../model/kubernetes.ts'
import { parseServiceUrl } from '../model/service-endpoint.ts'
import type {
  ClusterSettings,
  DiscoveryServiceSettings,
  NodeSettings,
  RacingSettings,
  Settings,
} from '../model/settings.ts'
import {
  DEFAULT_BYPASS,
  DEFAULT_FILTERS,
  DEFAULT_PLACEMENT,
  DEFAULT_RACING,
  DEFAULT_TIMING,
} from './defaults.ts'
import type { HostFacts } from './host-facts.ts'
import { KUBERNETES_DEFAULTS, kubernetesGiven, kubernetesProblems } from './kubernetes.ts'
import type { DocumentKind, PlacedDocument, PlacedMachineConfig } from './placed.ts'
import { placementProblems } from './placement-problems.ts'
import { NO_METRICS } from './schema.ts'

export interface Resolved {
  readonly settings: Settings
  /** Setting → `file:line` of the document that decided it; a setting that is not in here has its default. */
  readonly origin: ReadonlyMap<string, string>
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

const LEGACY_SERVICE = 'legacy'
const PUBLIC_SERVICE_URL = 'https://discovery.talos.dev/'

/** Checked documents to effective settings: defaults, precedence and the rules that span documents (SPEC 7). */
export function resolveSettings(
  documents: readonly PlacedDocument[],
  machine: PlacedMachineConfig | undefined,
  host: HostFacts,
): Resolved {
  const resolver = new Resolver(documents, machine)
  const settings = resolver.resolve(host)
  return { settings, origin: resolver.origin, problems: resolver.problems, warnings: resolver.warnings }
}

class Resolver {
  readonly origin = new Map<string, string>()
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #documents: readonly PlacedDocument[]
  readonly #machine: PlacedMachineConfig | undefined

  constructor(documents: readonly PlacedDocument[], machine: PlacedMachineConfig | undefined) {
    this.#documents = documents
    this.#machine = machine
  }

  resolve(host: HostFacts): Settings {
    const mesh = this.#mesh()
    const node = this.#single('NodeConfig')
    const services = this.#services()
    const cluster = this.#cluster()
    if (services.length > 0 && cluster === undefined)
      this.problems.push('a discovery service needs a cluster id and secret: add a DiscoveryIdentityConfig')
    const kubernetes = this.#kubernetes(host)
    if (services.length > 0 && typeof host.proxy === 'string') this.problems.push(host.proxy)
    if (mesh.enabled && services.length === 0 && !kubernetes?.enabled)
      this.problems.push(
        'KubeSpan is enabled but no discovery service is configured, and no Kubernetes registry: ' +
          'add a DiscoveryServiceConfig or a KubernetesRegistryConfig',
      )
    if (mesh.enabled && services.length === 0 && cluster === undefined)
      this.problems.push('KubeSpan needs a cluster id and secret: add a DiscoveryIdentityConfig')
    const { links: linkFilters, ...filters } = this.#merge(
      'filters',
      DEFAULT_FILTERS,
      node?.value.filters,
      node?.place,
    )
    return {
      ...mesh,
      extraAnnouncedEndpoints: this.#announced(),
      services,
      proxy: typeof host.proxy === 'string' ? undefined : host.proxy,
      kubernetes,
      cluster,
      node: this.#node(node, host),
      namesGiven: this.#namesGiven(node),
      placement: this.#placement(node),
      bypass: this.#merge('bypass', DEFAULT_BYPASS, node?.value.bypass, node?.place),
      racing: this.#racing(node),
      filters,
      linkFilters,
      timing: this.#merge('timing', DEFAULT_TIMING, node?.value.timing, node?.place),
    }
  }

  #all<K extends DocumentKind>(kind: K): PlacedDocument<K>[] {
    return this.#documents.filter(({ value }) => value.kind === kind) as PlacedDocument<K>[]
  }

  #single<K extends DocumentKind>(kind: K): PlacedDocument<K> | undefined {
    const [first, second] = this.#all(kind)
    if (first !== undefined && second !== undefined)
      this.problems.push(`${second.place}: ${kind} is already there at ${first.place}`)
    return first
  }

  #mesh() {
    const document = this.#single('KubeSpanConfig')
    const old = this.#machine?.value.machine?.network?.kubespan
    if (document !== undefined && old !== undefined)
      this.problems.push(
        `${document.place}: KubeSpanConfig conflicts with machine.network.kubespan: keep one of them`,
      )
    const place = document?.place ?? this.#machine?.place
    const given = document?.value ?? old
    if (old?.enabled && old.mtu !== undefined && old.mtu !== 0 && old.mtu < constants.MTU_MIN_BYTES)
      this.problems.push(
        `${place}: machine.network.kubespan.mtu: must be at least ${constants.MTU_MIN_BYTES}`,
      )
    const filters = given?.filters
    if (filters?.endpoints?.length === 0)
      this.warnings.push(
        'filters.endpoints is an empty list: it drops every endpoint, so no peer can call this node',
      )
    return this.#merge(
      'kubespan',
      {
        enabled: false,
        advertiseKubernetesNetworks: false,
        allowDownPeerBypass: false,
        harvestExtraEndpoints: false,
        mtuBytes: constants.MTU_DEFAULT_BYTES,
        endpointFilters: undefined as readonly string[] | undefined,
        excludeAdvertisedNetworks: [] as readonly Prefix[],
      },
      given && {
        enabled: given.enabled,
        advertiseKubernetesNetworks: given.advertiseKubernetesNetworks,
        allowDownPeerBypass: given.allowDownPeerBypass,
        harvestExtraEndpoints: given.harvestExtraEndpoints,
        // The old form writes 0 for the default (SPEC 7.1).
        mtuBytes: given.mtu === 0 ? undefined : given.mtu,
        endpointFilters: filters?.endpoints,
        excludeAdvertisedNetworks: filters?.excludeAdvertisedNetworks,
      },
      place,
    )
  }

  #announced(): Settings['extraAnnouncedEndpoints'] {
    const document = this.#single('KubeSpanEndpointsConfig')
    if (document?.value.extraAnnouncedEndpoints === undefined) return []
    this.origin.set('kubespan.extraAnnouncedEndpoints', document.place)
    return document.value.extraAnnouncedEndpoints
  }

  #services(): DiscoveryServiceSettings[] {
    const documents = this.#all('DiscoveryServiceConfig')
    const old = this.#machine?.value.cluster?.discovery
    if (old !== undefined && documents[0] !== undefined)
      this.problems.push(
        `${documents[0].place}: DiscoveryServiceConfig conflicts with cluster.discovery: keep one of them`,
      )
    const services: DiscoveryServiceSettings[] = []
    const service = old?.registries?.service
    if (old?.enabled && !service?.disabled) {
      const endpoint = parseServiceUrl(service?.endpoint || PUBLIC_SERVICE_URL)
      if (typeof endpoint === 'string')
        this.problems.push(
          `${this.#machine?.place}: cluster.discovery.registries.service.endpoint: ${endpoint}`,
        )
      else services.push({ name: LEGACY_SERVICE, endpoint })
      this.origin.set(`services.${LEGACY_SERVICE}`, this.#machine?.place ?? '')
    }
    for (const { place, value } of documents) {
      const name = `services.${value.name}`
      const earlier = this.origin.get(name)
      if (earlier !== undefined)
        this.problems.push(`${place}: a discovery service named ${value.name} is already there at ${earlier}`)
      this.origin.set(name, place)
      services.push({ name: value.name, endpoint: value.endpoint })
    }
    return services
  }

  /** The document, else the switch of the old form (SPEC 7.1). Either is enough for KubeSpan. */
  #kubernetes({ nodeName }: HostFacts): KubernetesRegistrySettings | undefined {
    const document = this.#single('KubernetesRegistryConfig')
    const old = this.#machine?.value.cluster?.discovery
    const isOn = old?.enabled === true && !old.registries?.kubernetes?.disabled
    if (document === undefined && !isOn) return undefined
    const found = document === undefined ? [] : kubernetesProblems(document.value)
    this.problems.push(...found.map((problem) => `${document?.place}: ${problem}`))
    return this.#merge(
      'kubernetes',
      { ...KUBERNETES_DEFAULTS, nodeName },
      document === undefined ? { enabled: isOn } : kubernetesGiven(document.value),
      document?.place ?? this.#machine?.place,
    )
  }

  #cluster(): ClusterSettings | undefined {
    const document = this.#single('DiscoveryIdentityConfig')
    const { id, secret } = this.#machine?.value.cluster ?? {}
    if ((id || secret) && document !== undefined)
      this.problems.push(
        `${document.place}: DiscoveryIdentityConfig conflicts with cluster.id and cluster.secret: keep one of them`,
      )
    if (id && secret) {
      const key = ClusterKey.fromSecret(secret)
      this.origin.set('cluster', this.#machine?.place ?? '')
      if (key !== undefined) return { id, key }
      this.problems.push(
        `${this.#machine?.place}: cluster.secret: is not standard base64 of exactly 32 bytes`,
      )
      return undefined
    }
    if (document === undefined) return undefined
    this.origin.set('cluster', document.place)
    return { id: document.value.clusterID, key: document.value.clusterSecret }
  }

  #node(document: PlacedDocument<'NodeConfig'> | undefined, host: HostFacts): NodeSettings {
    const given = document?.value
    const machine = this.#machine?.value
    const type = machine?.machine?.type
    const defaults: NodeSettings = {
      stateDirectory: '/var/lib/kubespan',
      runDirectory: '/run/kubespan',
      hostname: machine?.machine?.network?.hostname ?? host.hostname,
      nodename: given?.hostname ?? machine?.machine?.network?.hostname ?? host.hostname,
      // The file of another node's role is no reason to claim an API server that does not run here.
      machineType: 'worker',
      operatingSystem: host.operatingSystem,
      controlPlanePort: undefined,
      podCidrs: [],
      clusterPodCidrs: machine?.cluster?.network?.podSubnets ?? [],
      serviceCidrs: machine?.cluster?.network?.serviceSubnets ?? [],
      externalAddresses: [],
      wireguard: 'auto',
      caFile: undefined,
      metricsAddress: constants.METRICS_ADDRESS,
    }
    if (type !== undefined && given?.machineType === undefined && type !== 'worker')
      this.warnings.push(
        `machine.type ${type} is not taken over: say machineType in a NodeConfig if this is a control plane node`,
      )
    const node = this.#merge(
      'node',
      defaults,
      given && {
        stateDirectory: given.stateDirectory,
        runDirectory: given.runDirectory,
        hostname: given.hostname,
        nodename: given.nodename,
        machineType: given.machineType,
        operatingSystem: given.operatingSystem,
        controlPlanePort: given.controlPlanePort,
        podCidrs: given.podCIDRs,
        clusterPodCidrs: given.clusterPodCIDRs,
        serviceCidrs: given.serviceCIDRs,
        externalAddresses: given.externalAddresses,
        wireguard: given.wireguard,
        caFile: given.caFile,
        metricsAddress: given.metricsAddress,
      },
      document?.place,
    )
    return {
      ...node,
      metricsAddress: node.metricsAddress === NO_METRICS ? undefined : node.metricsAddress,
    }
  }

  #namesGiven(document: PlacedDocument<'NodeConfig'> | undefined): Settings['namesGiven'] {
    const given = document?.value
    const hostname = (given?.hostname ?? this.#machine?.value.machine?.network?.hostname) !== undefined
    return { hostname, nodename: hostname || given?.nodename !== undefined }
  }

  #racing(node: PlacedDocument<'NodeConfig'> | undefined): RacingSettings {
    const racing = this.#merge('racing', DEFAULT_RACING, node?.value.racing, node?.place)
    return node?.value.compat?.timing === 'talos' ? { ...racing, enabled: false } : racing
  }

  #placement(node: PlacedDocument<'NodeConfig'> | undefined): Placement {
    const placement = this.#merge('placement', DEFAULT_PLACEMENT, node?.value.placement, node?.place)
    for (const what of placementProblems(placement)) this.problems.push(`${node?.place}: placement: ${what}`)
    return placement
  }

  /** Defaults overlaid with what is given; what decided each value is noted under `prefix.key`. */
  #merge<T extends object>(
    prefix: string,
    defaults: T,
    given: { readonly [K in keyof T]?: T[K] | undefined } | undefined,
    place: string | undefined,
  ): T {
    const entries = Object.entries(given ?? {}).filter(([, value]) => value !== undefined)
    for (const [key] of entries) this.origin.set(`${prefix}.${key}`, place ?? '')
    return { ...defaults, ...Object.fromEntries(entries) }
  }
}
