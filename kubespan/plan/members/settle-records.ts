import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { PublicKey } from '../../model/peer.ts'
import { answers, type Lives } from './lives.ts'
import type { RetainedAffiliate } from './retain.ts'

/** A record that does not count yet, or not any more. */
export interface UnsettledRecord {
  readonly nodeId: string
  /** Of the record that counts. */
  readonly publicKey: PublicKey
  readonly why: 'another key' | 'no key' | 'older'
}

export interface SettleInput extends Lives {
  /** The result of the last time. */
  readonly standing: readonly RetainedAffiliate[]
  /** What the registries say now, merged. */
  readonly current: readonly Affiliate[]
  /** Two machines use these ids: what one says later does not take the place of what the other said. */
  readonly doubled: ReadonlySet<string>
}

export interface Settled {
  /** The very `current` where every record of it counts. */
  readonly current: readonly Affiliate[]
  readonly unsettled: readonly UnsettledRecord[]
}

/**
 * Which record of a node counts. A service can replay any that it was ever given, so what it brings is not the last word:
 *
 * - of two that say when they were sealed, the later one;
 * - else one with another key, or with none, waits for as long as the peer answers with the key that we know.
 */
export function settleRecords(input: SettleInput): Settled {
  const standing = new Map(input.standing.map(({ affiliate }) => [affiliate.nodeId, affiliate]))
  const unsettled: UnsettledRecord[] = []
  const current = input.current.map((affiliate) => {
    const known = standing.get(affiliate.nodeId)
    const why = known && whyNot(affiliate, known, input)
    if (known === undefined || why === undefined) return affiliate
    unsettled.push({ nodeId: known.nodeId, publicKey: known.kubespan.publicKey, why })
    return known
  })
  return unsettled.length === 0 ? { current: input.current, unsettled } : { current, unsettled }
}

/** Undefined: it counts. */
function whyNot(
  said: Affiliate,
  known: Affiliate,
  { doubled, ...lives }: SettleInput,
): UnsettledRecord['why'] | undefined {
  if (said === known) return undefined
  const [saidAt, knownAt] = doubled.has(said.nodeId) ? [] : [said.sealedAt, known.sealedAt]
  if (saidAt !== undefined && knownAt !== undefined) return saidAt < knownAt ? 'older' : undefined
  const { publicKey } = known.kubespan
  if (publicKey === said.kubespan.publicKey || publicKey === '') return undefined
  if (!answers(publicKey, lives)) return undefined
  return said.kubespan.publicKey === '' ? 'no key' : 'another key'
}

/** One line for people; undefined for what is as usual as a service that has not heard the latest. */
export function describeUnsettled({ nodeId, why }: UnsettledRecord): string | undefined {
  switch (why) {
    case 'another key':
      return `affiliate ${nodeId} is said to have another key while it answers with the one that is known: the new one waits until it does not`
    case 'no key':
      return `affiliate ${nodeId} is said to have left the mesh while it answers: it stays until it does not`
    case 'older':
      return undefined
    default:
      return why satisfies never
  }
}
