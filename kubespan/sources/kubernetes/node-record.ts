import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { ANNOTATION, CONTROL_PLANE_LABEL, fromNode, type NodeView } from './annotations.ts'

/** A Node object as the API server sends it: the fields that concern us, each of which may be missing. */
export interface RawNode {
  readonly metadata?: {
    readonly name?: string
    readonly resourceVersion?: string
    readonly creationTimestamp?: string
    readonly labels?: Readonly<Record<string, string>> | null
    readonly annotations?: Readonly<Record<string, string>> | null
  }
  readonly spec?: {
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[] | null
    readonly providerID?: string
  }
  readonly status?: {
    readonly addresses?: readonly { readonly type: string; readonly address: string }[] | null
    readonly nodeInfo?: { readonly machineID?: string; readonly osImage?: string }
  }
}

/** What is kept of a Node. The rest of it - images, conditions, managed fields - is most of its size. */
export interface NodeRecord {
  readonly view: NodeView
  readonly resourceVersion: string
  /** RFC 3339, UTC: texts compare as times. */
  readonly createdAt: string
  readonly machineId: string
  readonly providerId: string
  readonly affiliate: Affiliate | undefined
  /** Equal for two states of a Node between which nothing that concerns us has changed. */
  readonly fingerprint: string
}

const KEYS = Object.values(ANNOTATION)

/** The Node without what does not concern us, so that the rest of a page of Nodes can be forgotten at once. */
export function slimNode({ metadata = {}, spec = {}, status = {} }: RawNode): RawNode {
  const { name, resourceVersion, creationTimestamp } = metadata
  return {
    metadata: {
      ...(name && { name }),
      ...(resourceVersion && { resourceVersion }),
      ...(creationTimestamp && { creationTimestamp }),
      labels: pick(metadata.labels, [CONTROL_PLANE_LABEL]),
      annotations: pick(metadata.annotations, KEYS),
    },
    spec: {
      podCIDRs: spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []),
      ...(spec.providerID && { providerID: spec.providerID }),
    },
    status: {
      addresses: status.addresses ?? [],
      nodeInfo: {
        ...(status.nodeInfo?.machineID && { machineID: status.nodeInfo.machineID }),
        ...(status.nodeInfo?.osImage && { osImage: status.nodeInfo.osImage }),
      },
    },
  }
}

/** Undefined for something without a name. `previous` is returned when all that concerns us stayed as it was. */
export function toRecord(raw: RawNode, previous?: NodeRecord): NodeRecord | undefined {
  const { metadata = {}, spec = {}, status = {} } = raw
  if (!metadata.name) return undefined
  const view: NodeView = {
    name: metadata.name,
    labels: pick(metadata.labels, [CONTROL_PLANE_LABEL]),
    annotations: pick(metadata.annotations, KEYS),
    addresses: (status.addresses ?? []).map(({ type, address }) => ({ type, address })),
    osImage: status.nodeInfo?.osImage,
    podCIDRs: spec.podCIDRs ?? (spec.podCIDR ? [spec.podCIDR] : []),
  }
  const rest = {
    createdAt: metadata.creationTimestamp ?? '',
    machineId: status.nodeInfo?.machineID ?? '',
    providerId: spec.providerID ?? '',
  }
  const resourceVersion = metadata.resourceVersion ?? ''
  const fingerprint = JSON.stringify([view, rest])
  return fingerprint === previous?.fingerprint
    ? { ...previous, resourceVersion }
    : { view, ...rest, resourceVersion, affiliate: fromNode(view), fingerprint }
}

function pick(
  all: Readonly<Record<string, string>> | null | undefined,
  keys: readonly string[],
): Record<string, string> {
  const picked: Record<string, string> = {}
  for (const key of keys) {
    const value = all?.[key]
    if (value !== undefined) picked[key] = value
  }
  return picked
}
