import * as v from 'valibot'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import { parseDuration } from '../../shared/duration.ts'
import { goBoolean, goInteger } from '../../shared/go-scalar.ts'
import { parseAddress, parseAddressPort, parsePrefix } from '../../shared/net/address.ts'
import { parseFilter } from '../../shared/net/endpoint-filter.ts'
import { parseListenAddress } from '../../shared/net/listen-address.ts'
import { MTU_MAX_BYTES, MTU_MIN_BYTES } from '../model/constants.ts'
import { NODE_MATCHERS } from '../model/kubernetes.ts'
import { parseLinkFilter } from '../model/link-filter.ts'
import { parseServiceUrl } from '../model/service-endpoint.ts'
import type { AnnouncedEndpoint } from '../model/settings.ts'

/** A text that a parser understands, as what the parser makes of it. */
const parsed = <T>(parse: (text: string) => T | undefined, what: string) =>
  v.pipe(
    v.string(),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value)
      if (value !== undefined) return value
      addIssue({ message: `"${dataset.value}" is not ${what}` })
      return NEVER
    }),
  )

const address = parsed(parseAddress, 'an IP address')
const prefix = parsed(parsePrefix, 'a prefix like 10.0.0.0/8')
const duration = parsed(parseDuration, 'a duration like 30s or 5m')
const filter = parsed(
  (text) => parseFilter(text) && text,
  'an address or prefix, with or without a leading !',
)
const linkFilter = parsed(
  (text) => parseLinkFilter(text) && text,
  'the name of a link like docker0 or docker*, or a kind like kind:vxlan, with or without a leading !',
)
/** A number as Go's YAML reads it. */
const number = v.pipe(v.unknown(), v.transform(goInteger), v.number())
const port = v.pipe(number, v.integer(), v.minValue(1), v.maxValue(65_535))
const name = v.pipe(v.string(), v.nonEmpty('must not be empty'))

/** As long as names in DNS may be, for the record that is published has room for no longer ones. */
const nodeName = v.pipe(name, v.maxLength(253, 'must have at most 253 characters'))

/** SPEC 7.2, with an upper bound (SPEC 9, N7). */
const mtu = v.pipe(
  number,
  v.integer(),
  v.minValue(MTU_MIN_BYTES, `must be at least ${MTU_MIN_BYTES}`),
  v.maxValue(MTU_MAX_BYTES, `must be at most ${MTU_MAX_BYTES}`),
)

const serviceEndpoint = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const endpoint = parseServiceUrl(dataset.value)
    if (typeof endpoint !== 'string') return endpoint
    addIssue({ message: endpoint })
    return NEVER
  }),
)

/** The text is a secret: no message may repeat it. */
const clusterSecret = v.pipe(
  v.string(),
  v.rawTransform<string, ClusterKey>(({ dataset, addIssue, NEVER }) => {
    const key = ClusterKey.fromSecret(dataset.value)
    if (key !== undefined) return key
    addIssue({ message: 'is not standard base64 of exactly 32 bytes' })
    return NEVER
  }),
)

function parseAnnounced(text: string): AnnouncedEndpoint | undefined {
  const autoPort = Number(/^auto:(\d{1,5})$/.exec(text)?.[1])
  if (autoPort >= 1 && autoPort <= 65_535) return { autoPort }
  return parseAddressPort(text)
}
const announcedEndpoint = parsed(parseAnnounced, 'an endpoint like 192.0.2.1:51820 or auto:51820')

const filters = {
  endpoints: v.optional(v.array(filter)),
  excludeAdvertisedNetworks: v.optional(v.array(prefix)),
}

/** A boolean as Go's YAML reads it; absent stays absent so that the default is known to be one. */
const flag = v.optional(v.pipe(v.unknown(), v.transform(goBoolean), v.boolean()))
const head = { apiVersion: v.literal('v1alpha1') }

export const KubeSpanConfig = v.strictObject({
  ...head,
  kind: v.literal('KubeSpanConfig'),
  enabled: flag,
  advertiseKubernetesNetworks: flag,
  allowDownPeerBypass: flag,
  harvestExtraEndpoints: flag,
  mtu: v.optional(mtu),
  filters: v.optional(v.strictObject(filters)),
})

export const KubeSpanEndpointsConfig = v.strictObject({
  ...head,
  kind: v.literal('KubeSpanEndpointsConfig'),
  extraAnnouncedEndpoints: v.optional(v.array(announcedEndpoint)),
})

export const DiscoveryServiceConfig = v.strictObject({
  ...head,
  kind: v.literal('DiscoveryServiceConfig'),
  name,
  endpoint: serviceEndpoint,
})

export const DiscoveryIdentityConfig = v.strictObject({
  ...head,
  kind: v.literal('DiscoveryIdentityConfig'),
  clusterID: name,
  clusterSecret,
})

/** Ours: the Kubernetes registry (SPEC 5), for which there is no document in the field. */
export const KubernetesRegistryConfig = v.strictObject({
  ...head,
  kind: v.literal('KubernetesRegistryConfig'),
  enabled: flag,
  kubeconfig: v.optional(name),
  inCluster: flag,
  context: v.optional(name),
  nodeName: v.optional(name),
  matchNodeBy: v.optional(
    v.pipe(v.array(v.picklist(NODE_MATCHERS)), v.nonEmpty('must name at least one way')),
  ),
  providerID: v.optional(name),
})

const mark = v.pipe(number, v.integer(), v.minValue(1), v.maxValue(0xffffffff))

export const NO_METRICS = 'off'
const metricsAddress = parsed(
  (text) => (text === NO_METRICS || parseListenAddress(text) !== undefined ? text : undefined),
  'an address like 127.0.0.1:9173, or off',
)

/** Ours: what a machine that is not Talos must be told of itself. */
export const NodeConfig = v.strictObject({
  ...head,
  kind: v.literal('NodeConfig'),
  stateDirectory: v.optional(name),
  runDirectory: v.optional(name),
  nodename: v.optional(nodeName),
  hostname: v.optional(nodeName),
  machineType: v.optional(v.picklist(['init', 'controlplane', 'worker'])),
  operatingSystem: v.optional(v.string()),
  controlPlanePort: v.optional(port),
  podCIDRs: v.optional(v.array(prefix)),
  clusterPodCIDRs: v.optional(v.array(prefix)),
  serviceCIDRs: v.optional(v.array(prefix)),
  externalAddresses: v.optional(v.array(address)),
  wireguard: v.optional(v.picklist(['auto', 'kernel', 'userspace'])),
  caFile: v.optional(name),
  metricsAddress: v.optional(metricsAddress),
  placement: v.optional(
    v.strictObject({
      linkName: v.optional(
        v.pipe(v.string(), v.regex(/^[A-Za-z0-9_.-]{1,15}$/, 'is no name for a network link')),
      ),
      listenPort: v.optional(port),
      wireguardFwmark: v.optional(mark),
      routeFwmark: v.optional(mark),
      fwmarkMask: v.optional(mark),
      routingTable: v.optional(mark),
      rulePriority: v.optional(mark),
      nftTable: v.optional(
        v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, 'is no name for an nft table')),
      ),
    }),
  ),
  racing: v.optional(
    v.strictObject({
      enabled: flag,
      port: v.optional(port),
      headStart: v.optional(duration),
      concurrentRaces: v.optional(v.pipe(number, v.integer(), v.minValue(1), v.maxValue(1024))),
      packetsPerSecond: v.optional(v.pipe(number, v.integer(), v.minValue(10), v.maxValue(100_000))),
    }),
  ),
  filters: v.optional(
    v.strictObject({
      links: v.optional(v.array(linkFilter)),
      preferredRanges: v.optional(v.array(prefix)),
      allowedRanges: v.optional(v.array(prefix)),
      deniedRanges: v.optional(v.array(prefix)),
    }),
  ),
  compat: v.optional(v.strictObject({ timing: v.optional(v.picklist(['openspan', 'talos'])) })),
  bypass: v.optional(
    v.strictObject({
      destinations: v.optional(v.array(parsed(parseAddressPort, 'an endpoint like 192.0.2.1:6443'))),
      localPorts: v.optional(v.array(port)),
      conntrackMark: v.optional(mark),
    }),
  ),
  timing: v.optional(
    v.strictObject({
      reconcileEvery: v.optional(duration),
      peerDownAfter: v.optional(duration),
      endpointGrace: v.optional(duration),
      affiliateTtl: v.optional(duration),
      liveWithin: v.optional(duration),
      graceAfterLoss: v.optional(duration),
      graceAfterDeletion: v.optional(duration),
      holdAfterLoss: v.optional(duration),
      discoveryBackoffInitial: v.optional(duration),
      discoveryBackoffCap: v.optional(duration),
    }),
  ),
})

/**
 * The parts of a complete Talos machine configuration that concern discovery and KubeSpan (SPEC 7.1). All else in it
 * is somebody else's and passed over.
 */
export const MachineConfig = v.looseObject({
  machine: v.optional(
    v.looseObject({
      type: v.optional(v.string()),
      network: v.optional(
        v.looseObject({
          hostname: v.optional(v.string()),
          kubespan: v.optional(
            v.strictObject({
              enabled: flag,
              advertiseKubernetesNetworks: flag,
              allowDownPeerBypass: flag,
              harvestExtraEndpoints: flag,
              mtu: v.optional(v.pipe(number, v.integer(), v.minValue(0), v.maxValue(MTU_MAX_BYTES))),
              filters: v.optional(v.strictObject(filters)),
            }),
          ),
        }),
      ),
    }),
  ),
  cluster: v.optional(
    v.looseObject({
      id: v.optional(v.string()),
      secret: v.optional(v.string()),
      network: v.optional(
        v.looseObject({
          podSubnets: v.optional(v.array(prefix)),
          serviceSubnets: v.optional(v.array(prefix)),
        }),
      ),
      discovery: v.optional(
        v.strictObject({
          enabled: flag,
          registries: v.optional(
            v.strictObject({
              kubernetes: v.optional(v.strictObject({ disabled: flag })),
              service: v.optional(v.strictObject({ disabled: flag, endpoint: v.optional(v.string()) })),
            }),
          ),
        }),
      ),
    }),
  ),
})
