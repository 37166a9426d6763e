import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { formatDuration } from '../../../shared/duration.ts'
import type { PeerState, PublicKey } from '../../model/peer.ts'
import type { RetainedAffiliate } from './retain.ts'

/** What is known of the peer of an affiliate. */
export interface PeerLife {
  readonly state: PeerState
  /** Since when it is not up, or its path seems dead. */
  readonly silentSince: Instant | undefined
  readonly heardAt: Instant | undefined
}

export interface ForgetInput {
  /** Node id, node name, host name or public key. */
  readonly called: string
  readonly retained: readonly RetainedAffiliate[]
  /** Node id → who lists its record. */
  readonly sources: ReadonlyMap<string, readonly string[]>
  readonly lives: ReadonlyMap<PublicKey, PeerLife>
  readonly now: Instant
  /** Who was heard so recently is live. */
  readonly liveWithin: Milliseconds
}

export interface ForgetPlan {
  readonly nodeIds: readonly string[]
  /** What is done and what follows, or why nothing is; one line each. */
  readonly says: readonly string[]
}

/**
 * Everybody that is called so goes who is not live: what no source vouches for any more, and what a source still lists although its
 * peer is silent. A live member stays: dropped here it would be cut off, and only here.
 */
export function planForget(input: ForgetInput): ForgetPlan {
  const { called, retained } = input
  const found = retained.filter(({ affiliate: { nodeId, nodename, hostname, kubespan } }) =>
    [nodeId, nodename, hostname, kubespan.publicKey].some((name) => name !== '' && name === called),
  )
  if (found.length === 0)
    return {
      nodeIds: [],
      says: [
        `no unconfirmed affiliate is called ${called}, and no other; "kubespan get affiliates" lists them`,
      ],
    }
  const judged = found.map((entry) => judge(entry, input))
  return {
    nodeIds: judged.filter(({ isForgotten }) => isForgotten).map(({ nodeId }) => nodeId),
    says: judged.map(({ says }) => says),
  }
}

function judge(
  { affiliate, unconfirmedUntil }: RetainedAffiliate,
  { sources, lives, now, liveWithin }: ForgetInput,
): { readonly nodeId: string; readonly isForgotten: boolean; readonly says: string } {
  const { nodeId } = affiliate
  const who = `affiliate ${nodeId}${nameOf(affiliate)}`
  const life = lives.get(affiliate.kubespan.publicKey)
  const heard = life?.heardAt === undefined ? Infinity : now - life.heardAt
  const isConfirmed = unconfirmedUntil === undefined
  const listedBy = sources.get(nodeId)?.join(' and ') || 'a source'
  if (isConfirmed && life?.state === 'up' && life.silentSince === undefined && heard <= liveWithin)
    return {
      nodeId,
      isForgotten: false,
      says: `${who} stays: it is no unconfirmed affiliate but a live one, listed by ${listedBy} and heard ${ago(heard)}. "kubespan leave" on that node takes it out, or "discovery-service admin forget" once it is silent`,
    }
  const state =
    life === undefined ? 'no peer' : heard === Infinity ? 'never heard' : `last heard ${ago(heard)}`
  const follows = isConfirmed
    ? `${listedBy} still lists its record: it stays forgotten here until its node publishes it anew, the record ends, or this daemon starts again`
    : 'no source lists it: it is back when one does'
  return {
    nodeId,
    isForgotten: true,
    says: `forgot ${who}, ${state}: its addresses are no longer sent into the tunnel unless another member has them; ${follows}`,
  }
}

const nameOf = ({ nodename, hostname }: Affiliate): string => {
  const name = nodename || hostname
  return name === '' ? '' : ` (${name})`
}

const ago = (age: Milliseconds): string => `${formatDuration(Math.floor(age / 1000) * 1000)} ago`
