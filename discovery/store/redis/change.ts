/** Where a stream of changes is: a number that grows by one, and a salt that tells two histories apart. */
export type EntryId = string

/** One change of a cluster. */
export interface ClusterChange {
  readonly entry: EntryId
  readonly affiliateId: string
  /** Undefined: it was deleted. */
  readonly value: Buffer | undefined
}

/** A change as it is told on the channel: with the entry that it follows. */
export interface ToldChange extends ClusterChange {
  readonly follows: EntryId
}

export const numberOf = (entry: EntryId): number => Number.parseInt(entry, 10) || 0

const SPACE = 0x20

/** `ENTRY FOLLOWS LENGTH ID VALUE`, the last two without a space between; see write.lua. */
export function readToldChange(message: Buffer): ToldChange | undefined {
  const first = message.indexOf(SPACE)
  const second = message.indexOf(SPACE, first + 1)
  const third = message.indexOf(SPACE, second + 1)
  if (first < 0 || second < 0 || third < 0) return undefined
  const idEnd = third + 1 + Number.parseInt(message.toString('latin1', second + 1, third), 10)
  const value = message.subarray(idEnd)
  return {
    entry: message.toString('latin1', 0, first),
    follows: message.toString('latin1', first + 1, second),
    affiliateId: message.toString('utf8', third + 1, idEnd),
    value: value.length === 0 ? undefined : value,
  }
}

/** An entry of the stream as Redis answers it: id, and names and values in turn. */
export function readEntry([id, fields]: readonly [Buffer, readonly Buffer[]]): ClusterChange {
  const value = fields[3]
  return {
    entry: id.toString('latin1'),
    affiliateId: String(fields[1]),
    value: value === undefined || value.length === 0 ? undefined : value,
  }
}

/**
 * Why a change that was seen is not in the stream any more. `trimmed`: the stream has gone on without us, and says no more
 * how. `lost`: the history that it belonged to is not the one that is there, because a server came back without its last
 * writes, or empty, or another took its place.
 */
export function judgeAbsence(
  seen: EntryId,
  there: { readonly last: EntryId; readonly oldest: EntryId },
): 'trimmed' | 'lost' {
  const isAhead = numberOf(there.last) > numberOf(seen)
  return isAhead && there.oldest !== '' && numberOf(there.oldest) > numberOf(seen) ? 'trimmed' : 'lost'
}
