import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Prefix } from '../../../shared/net/address.ts'
import type { PeerSpec, PublicKey } from '../../model/peer.ts'
import type { Lives } from '../../plan/members/lives.ts'
import type { Contests } from '../../plan/peers/contests.ts'
import type { PeerPlan } from '../../plan/peers/peer-specs.ts'
import type { MeshMemory } from '../view.ts'

/** Since when each of the suspects is one. */
export const followSuspects = (
  before: MeshMemory['suspectSince'],
  suspects: ReadonlySet<PublicKey>,
  now: Instant,
): MeshMemory['suspectSince'] => new Map(Array.from(suspects, (key) => [key, before.get(key) ?? now]))

/** Since when each peer is not up, or its path seems dead. */
export function silences({
  statuses,
  suspectSince,
}: Pick<MeshMemory, 'statuses' | 'suspectSince'>): ReadonlyMap<PublicKey, Instant> {
  const silent = new Map<PublicKey, Instant>()
  for (const [key, { notUpSince }] of statuses) {
    const since = notUpSince ?? suspectSince.get(key)
    if (since !== undefined) silent.set(key, since)
  }
  return silent
}

/** How each node's peer was when it was last looked at. */
export function livesByNode({ specs, statuses, suspectSince }: MeshMemory) {
  return {
    notUpSince: new Map(
      specs.map(({ nodeId, publicKey }) => [
        nodeId,
        statuses.get(publicKey)?.notUpSince ?? suspectSince.get(publicKey),
      ]),
    ),
    heardAt: new Map(specs.map(({ nodeId, publicKey }) => [nodeId, statuses.get(publicKey)?.lastReceiveAt])),
  }
}

export const NO_HOLDERS: ReadonlyMap<PublicKey, string> = new Map()

/**
 * Whose a key is that several are said to have: it stays with who has it, silent or not, as long as that record stands; else it is
 * that of the record which is known for longest.
 */
export function holdersOf(
  conflicts: PeerPlan['conflicts'],
  { specs, knownSince }: Pick<MeshMemory, 'specs' | 'knownSince'>,
  affiliates: readonly Affiliate[],
): ReadonlyMap<PublicKey, string> {
  const keys = new Set(
    conflicts.flatMap((conflict) => (conflict.kind === 'taken key' ? conflict.publicKey : [])),
  )
  if (keys.size === 0) return NO_HOLDERS
  const holders = new Map<PublicKey, string>()
  for (const publicKey of keys) {
    const said = affiliates.filter(({ kubespan }) => kubespan.publicKey === publicKey)
    const standing = specs.find((spec) => spec.publicKey === publicKey)?.nodeId
    const since = ({ nodeId }: Affiliate): Instant => knownSince.get(nodeId) ?? Number.POSITIVE_INFINITY
    const [oldest] = said.toSorted((a, b) => (since(a) === since(b) ? 0 : since(a) - since(b)))
    const holder = said.find(({ nodeId }) => nodeId === standing) ?? oldest
    if (holder !== undefined) holders.set(publicKey, holder.nodeId)
  }
  return holders
}

/** What each node that is up is sent. */
export const ownedBy = ({ specs, statuses }: Pick<MeshMemory, 'specs' | 'statuses'>) =>
  new Map(
    specs
      .filter(({ publicKey }) => statuses.get(publicKey)?.state === 'up')
      .map(({ nodeId, allowedIps }) => [nodeId, allowedIps]),
  )

export function livesOf(memory: Pick<MeshMemory, 'statuses' | 'suspectSince'>, now: Instant): Lives {
  const lastReceiveAt = new Map<PublicKey, Instant>()
  const down = new Set<PublicKey>()
  for (const [key, status] of memory.statuses) {
    if (status.lastReceiveAt !== undefined) lastReceiveAt.set(key, status.lastReceiveAt)
    if (status.state === 'down') down.add(key)
  }
  return { lastReceiveAt, silentSince: silences(memory), down, now }
}

export interface ChallengeInput extends Lives {
  readonly contests: Contests
  /** The result of the last time. */
  readonly before: Contests
  readonly specs: readonly PeerSpec[]
}

/** A machine that was installed anew is announced before it gives up its old key, so once is not enough. */
const CHALLENGED_FOR: Milliseconds = 30_000
const CHALLENGED_AFTER: Milliseconds = 5_000

/** Who holds a prefix that somebody else has begun to claim, and was not heard in the meantime. */
export function challengedBy({
  contests,
  before,
  specs,
  lastReceiveAt,
  now,
}: ChallengeInput): ReadonlySet<PublicKey> {
  const [fresh, recent] = [new Set<Prefix>(), new Set<Prefix>()]
  for (const [prefix, since] of contests) {
    const known = before.get(prefix)
    if (contests !== before && [...since.keys()].some((nodeId) => !known?.has(nodeId))) fresh.add(prefix)
    if (now - Math.max(...since.values()) < CHALLENGED_FOR) recent.add(prefix)
  }
  if (fresh.size === 0 && recent.size === 0) return new Set()
  const isSilent = (publicKey: PublicKey): boolean =>
    now - (lastReceiveAt.get(publicKey) ?? -Infinity) >= CHALLENGED_AFTER
  const holders = specs.filter(
    ({ publicKey, allowedIps }) =>
      allowedIps.some((prefix) => fresh.has(prefix)) ||
      (isSilent(publicKey) && allowedIps.some((prefix) => recent.has(prefix))),
  )
  return new Set(holders.map(({ publicKey }) => publicKey))
}
