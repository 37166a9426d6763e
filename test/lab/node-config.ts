import { stringify } from 'yaml'
import { INTERNET_V4, INTERNET_V6, podPrefixes } from './attachment.ts'
import type { LabHost } from './box.ts'

/** What all daemons of one mesh share. */
export interface ClusterCredentials {
  readonly clusterId: string
  readonly clusterSecret: string
}

/** Go durations by name, as in `timing` of a NodeConfig document. */
export type Timing = Readonly<Record<string, string>>

export interface NodeConfigOptions {
  readonly cluster: ClusterCredentials
  readonly discoveryPort: number
  readonly timing?: Timing
  /** Fields over those that are written by default, per document kind. */
  readonly documents?: {
    readonly KubeSpanConfig?: object
    readonly KubeSpanEndpointsConfig?: object
    readonly NodeConfig?: object
  }
  /** Ends the names of the directories of a daemon that is not the only one on its host. */
  readonly instance?: string
  /** URLs instead of the one discovery service of the lab. */
  readonly services?: readonly string[]
}

/** The daemon of a host finds its control socket in here, seen from inside. */
export const DAEMON_RUN_DIRECTORY = '/run/kubespan'

/** The configuration file of one host: the only place that knows how the daemon wants it spelled. */
export function nodeConfig(host: LabHost, options: NodeConfigOptions): string {
  const { cluster, discoveryPort, timing, instance = '', documents = {} } = options
  const address = host.spec.families.includes(4) ? INTERNET_V4 : `[${INTERNET_V6}]`
  const services = options.services ?? [`http://${address}:${discoveryPort}`]
  const pods = host.pod === undefined ? [] : podPrefixes(host.index)
  const config = [
    {
      kind: 'KubeSpanConfig',
      enabled: true,
      advertiseKubernetesNetworks: pods.length > 0,
      ...documents.KubeSpanConfig,
    },
    ...(documents.KubeSpanEndpointsConfig === undefined
      ? []
      : [{ kind: 'KubeSpanEndpointsConfig', ...documents.KubeSpanEndpointsConfig }]),
    ...services.map((endpoint, place) => ({
      kind: 'DiscoveryServiceConfig',
      name: place === 0 ? 'lab' : `lab${place + 1}`,
      endpoint,
    })),
    { kind: 'DiscoveryIdentityConfig', clusterID: cluster.clusterId, clusterSecret: cluster.clusterSecret },
    {
      kind: 'NodeConfig',
      nodename: host.name,
      hostname: host.name,
      stateDirectory: `${host.stateDirectory}${instance}`,
      runDirectory: `${DAEMON_RUN_DIRECTORY}${instance}`,
      ...(pods.length > 0 && { podCIDRs: pods }),
      ...(timing && { timing }),
      ...documents.NodeConfig,
    },
  ]
  return config.map((document) => `---\n${stringify({ apiVersion: 'v1alpha1', ...document })}`).join('')
}
