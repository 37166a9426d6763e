import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { parseAddress, parseAddressPort, parsePrefix } from '../../../shared/net/address.ts'

/** The keys that nodes in the field read and write (SPEC 5). */
export const ANNOTATION = {
  nodeId: 'cluster.talos.dev/node-id',
  addresses: 'networking.talos.dev/self-ips',
  apiServerPort: 'networking.talos.dev/api-server-port',
  kubespanAddress: 'networking.talos.dev/kubespan-ip',
  publicKey: 'networking.talos.dev/kubespan-public-key',
  additionalAddresses: 'networking.talos.dev/assigned-prefixes',
  endpoints: 'networking.talos.dev/kubespan-endpoints',
  excludeAdvertisedNetworks: 'networking.talos.dev/kubespan-exclude-advertised-networks',
} as const

export const CONTROL_PLANE_LABEL = 'node-role.kubernetes.io/control-plane'

/** What matters of a Kubernetes Node. Absent maps and lists may be left out or null, as the API does. */
export interface NodeView {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>> | null | undefined
  readonly annotations?: Readonly<Record<string, string>> | null | undefined
  readonly addresses?: readonly { readonly type: string; readonly address: string }[] | null | undefined
  readonly osImage?: string | undefined
  readonly podCIDRs?: readonly string[] | null | undefined
}

/** All our annotations for a node. An empty value means that the key has to go. */
export function toAnnotations(affiliate: Affiliate): Record<string, string> {
  const { kubespan, controlPlane } = affiliate
  return {
    [ANNOTATION.nodeId]: affiliate.nodeId,
    [ANNOTATION.addresses]: affiliate.addresses.join(','),
    [ANNOTATION.apiServerPort]: controlPlane === undefined ? '' : String(controlPlane.port),
    [ANNOTATION.kubespanAddress]: kubespan.address ?? '',
    [ANNOTATION.publicKey]: kubespan.publicKey,
    [ANNOTATION.additionalAddresses]: kubespan.additionalAddresses.join(','),
    [ANNOTATION.endpoints]: kubespan.endpoints.join(','),
    [ANNOTATION.excludeAdvertisedNetworks]: kubespan.excludeAdvertisedNetworks.join(','),
  }
}

/** What a node says of itself; undefined when it says nothing. Items that do not parse are left out one by one. */
export function fromNode(node: NodeView): Affiliate | undefined {
  const annotations = node.annotations ?? {}
  const nodeId = annotations[ANNOTATION.nodeId]
  if (nodeId === undefined) return undefined
  const items = <T>(key: string, parse: (text: string) => T | undefined): T[] =>
    (annotations[key] ?? '')
      .split(',')
      .map(parse)
      .filter((item) => item !== undefined)
  return {
    nodeId,
    addresses: items(ANNOTATION.addresses, parseAddress),
    hostname: node.addresses?.find(({ type }) => type === 'Hostname')?.address ?? '',
    nodename: node.name,
    operatingSystem: node.osImage ?? '',
    machineType: node.labels?.[CONTROL_PLANE_LABEL] === undefined ? 'worker' : 'controlplane',
    kubespan: {
      publicKey: annotations[ANNOTATION.publicKey] ?? '',
      address: parseAddress(annotations[ANNOTATION.kubespanAddress] ?? ''),
      additionalAddresses: items(ANNOTATION.additionalAddresses, parsePrefix),
      excludeAdvertisedNetworks: items(ANNOTATION.excludeAdvertisedNetworks, parsePrefix),
      endpoints: items(ANNOTATION.endpoints, parseAddressPort),
    },
    controlPlane: parsePort(annotations[ANNOTATION.apiServerPort] ?? ''),
  }
}

/** Any integer passes, negative ones too, as with the nodes in the field. */
const parsePort = (text: string): Affiliate['controlPlane'] =>
  /^[+-]?\d{1,15}$/.test(text) ? { port: Number(text) } : undefined
