import { compareBytes } from '../../../shared/byte-order.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'
import type { IdentityConflict } from '../../model/identity-conflict.ts'

/** A node and its address in the mesh, which is made of the hardware address of a network card (SPEC 3.3). */
export interface AddressBearer {
  readonly nodeId: string
  readonly name: string
  readonly address: Address
  /** It cannot take another address. */
  readonly isTalos: boolean
  /** It answers, or has published its record since it was met: what a machine left behind that was installed anew does neither. */
  readonly isAlive: boolean
  readonly heardAt: Instant | undefined
  /** It became known after this node was in the mesh. */
  readonly isNewcomer: boolean
}

export interface AddressClash {
  readonly address: Address
  /** In byte order. */
  readonly nodeIds: readonly [string, string]
  readonly since: Instant
  /** When both had the address last. */
  readonly lastSeenAt: Instant
  /** Since when it is known that both are there; undefined while one may be what the other has left behind. */
  readonly provenAt: Instant | undefined
}

export type AddressClashes = ReadonlyMap<string, AddressClash>

export interface ClashInput {
  readonly own: Pick<AddressBearer, 'nodeId' | 'name' | 'address'>
  /** The own address is made of a hardware address, so another one can be made of the node id. */
  readonly canMove: boolean
  readonly others: readonly AddressBearer[]
  readonly before: AddressClashes
  readonly now: Instant
}

export interface ClashPlan {
  readonly clashes: AddressClashes
  /** This node is the one that takes another address, and now is the time. */
  readonly moves: boolean
  /** When to look again; undefined when nothing waits. */
  readonly again: Milliseconds | undefined
}

/** How long a clash that is over is told of. */
export const TOLD_FOR: Milliseconds = 600_000
/** One may be over before both were heard; a keepalive comes every 25 s. */
const PROVEN_WITHIN: Milliseconds = 60_000

/**
 * After how long this node takes another address. Both nodes judge by what each knows, which may differ, so the times are apart and
 * whoever moves first ends it: a node that finds another one there gives way, before one that was there when another came; of two that
 * judge the same the one with the higher id. Talos cannot give way.
 */
export const MOVES_AFTER = {
  newcomerAndHigher: 2_000,
  newcomerAndLower: 10_000,
  firstAndHigher: 25_000,
  firstAndLower: 45_000,
} as const satisfies Record<string, Milliseconds>

function movesAfter(ownId: string, other: AddressBearer): Milliseconds {
  if (other.isTalos) return MOVES_AFTER.newcomerAndHigher
  const isHigher = compareBytes(ownId, other.nodeId) > 0
  if (other.isNewcomer) return isHigher ? MOVES_AFTER.firstAndHigher : MOVES_AFTER.firstAndLower
  return isHigher ? MOVES_AFTER.newcomerAndHigher : MOVES_AFTER.newcomerAndLower
}

/** Who is there with an address that somebody else who is there has as well, and whether this node ends it. */
export function planClashes(input: ClashInput): ClashPlan {
  const { own, canMove, others, before, now } = input
  const clashes = new Map<string, AddressClash>()
  for (const [one, other] of pairs(input)) {
    const [first, second] = [one.nodeId, other.nodeId].toSorted(compareBytes) as [string, string]
    const known = before.get(`${first},${second}`)
    const { since, provenAt } = known?.address === other.address ? known : { since: now, provenAt: undefined }
    const clash = {
      nodeIds: [first, second] as const,
      address: other.address,
      since,
      lastSeenAt: now,
      provenAt,
    }
    clashes.set(`${first},${second}`, clash)
  }
  const bearers = new Map(others.map((bearer) => [bearer.nodeId, bearer]))
  for (const [key, clash] of before) if (!clashes.has(key)) clashes.set(key, clash)
  for (const [key, clash] of clashes) {
    const isProven = clash.nodeIds.every((nodeId) => {
      if (nodeId === own.nodeId) return true
      const { isAlive, heardAt = -Infinity } = bearers.get(nodeId) ?? { isAlive: false }
      return heardAt > clash.since || (isAlive && clash.nodeIds.includes(own.nodeId))
    })
    const provenAt = clash.provenAt ?? (isProven ? now : undefined)
    if (now - clash.lastSeenAt >= (provenAt === undefined ? PROVEN_WITHIN : TOLD_FOR)) clashes.delete(key)
    else clashes.set(key, { ...clash, provenAt })
  }
  const waits = Array.from(clashes.values()).flatMap(({ nodeIds, lastSeenAt, provenAt }) => {
    const other = bearers.get(nodeIds.find((nodeId) => nodeId !== own.nodeId) ?? '')
    const isOurs = canMove && nodeIds.includes(own.nodeId) && lastSeenAt === now
    if (!isOurs || provenAt === undefined || !other?.isAlive) return []
    return [Math.max(0, provenAt + movesAfter(own.nodeId, other) - now)]
  })
  return {
    clashes,
    moves: waits.includes(0),
    again: waits.length === 0 ? undefined : Math.min(...waits),
  }
}

/** All who have an address that somebody else has. */
function* pairs({
  own,
  others,
}: ClashInput): Generator<readonly [Pick<AddressBearer, 'nodeId'>, AddressBearer]> {
  for (const [place, other] of others.entries()) {
    if (other.address === own.address) yield [own, other]
    for (const third of others.slice(place + 1)) if (third.address === other.address) yield [third, other]
  }
}

/** For people, on every node of the mesh. */
export function describeClashes(
  clashes: AddressClashes,
  { own, others, now }: Pick<ClashInput, 'own' | 'others' | 'now'>,
): IdentityConflict[] {
  const bearers = new Map([own, ...others].map((bearer) => [bearer.nodeId, bearer]))
  const proven = [...clashes.values()].filter(({ provenAt }) => provenAt !== undefined)
  return proven.map(({ address, nodeIds, lastSeenAt }) => {
    const isOwn = nodeIds.includes(own.nodeId)
    const called = (nodeId: string): string =>
      nodeId === own.nodeId ? 'this node' : `${bearers.get(nodeId)?.name || 'a node'} (${nodeId})`
    const who = nodeIds
      .toSorted((one) => (one === own.nodeId ? -1 : 0))
      .map(called)
      .join(' and ')
    const base = { kind: 'address' as const, nodeIds, isOwn }
    if (lastSeenAt === now)
      return {
        ...base,
        isOver: false,
        says: `${who} have the same mesh address ${address}, as it is made of a network card's hardware address that both have: one of the two takes another within a minute`,
        mend: 'if it does not end by itself: another hardware address on one of the two (ip link set dev DEVICE address …)',
      }
    const moved = nodeIds.filter((nodeId) => (bearers.get(nodeId)?.address ?? address) !== address)
    const how = moved.map((nodeId) => `${called(nodeId)} has taken ${bearers.get(nodeId)?.address}`)
    return {
      ...base,
      isOver: true,
      says: `${who} had the same mesh address ${address}: ${how.join(', ') || 'one of them is gone'}`,
    }
  })
}
