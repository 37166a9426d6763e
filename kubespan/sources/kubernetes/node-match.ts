import type { Address } from '../../../shared/net/address.ts'
import { parseAddress } from '../../../shared/net/address.ts'
import type { NodeMatcher } from '../../model/kubernetes.ts'
import { ANNOTATION } from './annotations.ts'
import type { NodeRecord } from './node-record.ts'

/** What this machine knows of itself. Empty texts are not known. */
export interface MachineFacts {
  /** The name that the configuration gives: then no other way is tried. */
  readonly nodeName: string | undefined
  /** What it is called, most likely first. */
  readonly hostnames: readonly string[]
  readonly machineId: string
  readonly providerId: string
  readonly addresses: readonly Address[]
}

export type NodeMatch =
  | { readonly name: string; readonly by: NodeMatcher }
  /** Why no Node is taken for ours. */
  | { readonly problem: string }

/**
 * Which Node object is this machine. A way that fits several Nodes fits none: cloned machines share their id, and
 * sites share private addresses. For that reason a Node that is found by address and speaks with another node id is
 * left alone as well.
 */
export function matchNode(
  nodes: ReadonlyMap<string, NodeRecord>,
  machine: MachineFacts,
  matchers: readonly NodeMatcher[],
  ownId: string,
): NodeMatch {
  const { nodeName } = machine
  if (nodeName !== undefined)
    return nodes.has(nodeName)
      ? { name: nodeName, by: 'name' }
      : { problem: `there is no Node named ${nodeName}` }

  const reasons: string[] = []
  for (const by of matchers) {
    const found = WAYS[by](nodes, machine)
    const [first, second] = found
    if (first === undefined) continue
    const claimedBy = nodes.get(first)?.view.annotations?.[ANNOTATION.nodeId]
    if (second !== undefined) reasons.push(`${DESCRIPTION[by]} fits ${found.length} Nodes`)
    else if (by === 'address' && claimedBy !== undefined && claimedBy !== ownId)
      reasons.push(`Node ${first} has one of our addresses and speaks with another node id`)
    else return { name: first, by }
  }
  const tried = `no Node is this machine by ${matchers.map((by) => DESCRIPTION[by]).join(', ')}`
  return { problem: [tried, ...reasons].join('; ') }
}

const DESCRIPTION: Readonly<Record<NodeMatcher, string>> = {
  name: 'name',
  machineID: 'machine id',
  providerID: 'provider id',
  address: 'address',
}

/** For each way the names of the Nodes that it fits. */
const WAYS: Readonly<
  Record<NodeMatcher, (nodes: ReadonlyMap<string, NodeRecord>, machine: MachineFacts) => readonly string[]>
> = {
  // The kubelet registers in lower case, with or without the domain.
  name: (nodes, { hostnames }) => {
    const names = hostnames.map((name) => name.toLowerCase())
    const candidates = [...names, ...names.map((name) => name.split('.')[0] ?? '')]
    return candidates.filter((name) => nodes.has(name)).slice(0, 1)
  },
  machineID: (nodes, { machineId }) => fitting(nodes, (node) => same(node.machineId, machineId)),
  providerID: (nodes, { providerId }) => fitting(nodes, (node) => same(node.providerId, providerId)),
  address: (nodes, { addresses }) => {
    const own = new Set(addresses)
    return fitting(nodes, ({ view }) =>
      (view.addresses ?? []).some(
        ({ type, address: text }) =>
          (type === 'InternalIP' || type === 'ExternalIP') && own.has(parseAddress(text) as Address),
      ),
    )
  },
}

const fitting = (
  nodes: ReadonlyMap<string, NodeRecord>,
  fits: (node: NodeRecord) => boolean,
): readonly string[] => [...nodes.values()].filter(fits).map(({ view }) => view.name)

const same = (theirs: string, ours: string): boolean => ours !== '' && theirs === ours
