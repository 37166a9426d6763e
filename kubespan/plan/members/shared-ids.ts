import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { IdentityConflict } from '../../model/identity-conflict.ts'
import type { DoubledNode } from '../../model/kubernetes.ts'
import { doubledIds, type Trails } from './doubles.ts'

export interface SharedIdsInput {
  readonly ownId: string
  /** What another machine published under our id, and when last. */
  readonly double: { readonly affiliate: Affiliate; readonly at: Instant } | undefined
  readonly trails: Trails
  /** Those of one key that two records claim have an owner. */
  readonly conflicts: readonly { readonly kind: string; readonly nodeId: string; readonly ownerId?: string }[]
  /** Of Kubernetes. */
  readonly nodes: readonly DoubledNode[]
  readonly now: Instant
  /** How long after the last sign that somebody else publishes under our id; records are published every half of it. */
  readonly toldFor: Milliseconds
}

const MEND = 'on the machine that is the copy: kubespan reset-identity, then start the daemon again'

/** Cloned machines: two with one node id, or one key, for everybody who sees them. */
export function describeSharedIds({
  ownId,
  double,
  trails,
  conflicts,
  nodes,
  now,
  toldFor,
}: SharedIdsInput): IdentityConflict[] {
  const own: IdentityConflict[] =
    double === undefined || now - double.at >= toldFor
      ? []
      : [
          {
            ...{ kind: 'node id', nodeIds: [ownId], isOwn: true, isOver: false, mend: MEND },
            says: `another machine uses the node id of this one, ${ownId}: it publishes itself as ${describe(double.affiliate)}. One of the two is a copy of the other, and packets for both get lost; mend it on the copy: kubespan reset-identity`,
          },
        ]
  const others = doubledIds(trails, now).map((nodeId): IdentityConflict => {
    const said = (trails.get(nodeId)?.steps.slice(-2) ?? [])
      .map(({ affiliate }) => describe(affiliate))
      .toSorted()
    return {
      ...{ kind: 'node id', nodeIds: [nodeId], isOwn: false, isOver: false, mend: MEND },
      says: `two machines use the node id ${nodeId}: ${said.join(' and ')}. One of the two is a copy of the other, and packets for both get lost; mend it on the copy: kubespan reset-identity`,
    }
  })
  const keys = conflicts.flatMap(({ kind, nodeId, ownerId }): IdentityConflict[] => {
    if (kind !== 'taken key' || ownerId === undefined) return []
    const isOwn = ownerId === ownId
    return [
      {
        ...{ kind: 'key', nodeIds: [nodeId, ownerId], isOwn, isOver: false, mend: MEND },
        says: `affiliate ${nodeId} has the WireGuard key of ${isOwn ? 'this node' : ownerId}: one of the two is a copy of the other; mend it on the copy: kubespan reset-identity`,
      },
    ]
  })
  const told = new Set([...own, ...others].flatMap(({ nodeIds }) => nodeIds))
  const doubledNodes = nodes
    .filter(({ nodeId }) => !told.has(nodeId))
    .map((node) => describeNodes(node, ownId))
  return [...own, ...others, ...keys, ...doubledNodes]
}

/** The Node that a renamed machine has left behind looks like that of a copy. */
function describeNodes({ nodeId, names }: DoubledNode, ownId: string): IdentityConflict {
  const isOwn = nodeId === ownId
  const all = `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`
  return {
    ...{ kind: 'node id', nodeIds: [nodeId], isOwn, isOver: false },
    mend: `${MEND}; of an old Node object: kubectl delete node NAME`,
    says: `the Kubernetes Nodes ${all} carry one node id, ${isOwn ? 'that of this node, ' : ''}${nodeId}: either a machine is a copy of another, and packets for both get lost; mend it on the copy: kubespan reset-identity. Or a machine was renamed, and its old Node object is to be deleted: kubectl delete node NAME`,
  }
}

const describe = ({ nodename, hostname, addresses, kubespan }: Affiliate): string => {
  const own = addresses.filter((address) => address !== kubespan.address)
  return `${nodename || hostname || 'a node without a name'} (${own.join(', ') || 'no address'})`
}
