import type { Instant } from '../../../shared/clock.ts'
import type { Affiliate } from '../../state/affiliate-bytes.ts'
import type { limitOf } from '../../state/crowd.ts'
import { CLUSTER_MAX_AFFILIATES } from '../../validation/limits.ts'
import { type ClusterChange, type EntryId, readEntry } from './change.ts'
import type { ReadCluster } from './followed.ts'
import { type ClusterKeys, dueMember, KEY_LIFE, PIN_LIFE, STREAM_ENTRIES } from './layout.ts'
import type { Link } from './link.ts'
import { SCRIPTS } from './scripts.ts'
import { decodeValue, dueAt, encodeValue, endOfValues, makeVersion, type StoredAffiliate } from './value.ts'

/** What came of a write. */
export type Written =
  /** The cluster has another write key than was expected; '' is for none. */
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'done' | 'full' | 'crowded' | 'absent' | 'none' | 'early' }
  /** Something else is there; undefined when there is nothing, or what is there cannot be read. */
  | { readonly kind: 'conflict'; readonly there: StoredAffiliate | undefined; readonly isUnreadable: boolean }

export interface WriteOptions {
  /** Version of the affiliate that is to be there; '' for none; '*' for any, when it is deleted. */
  readonly expected: string
  readonly isChange: boolean
  readonly mayCreate: boolean
  /** How many affiliates of the cluster may come from its origin, when it is new; 0, as by default, for any number. */
  readonly limit?: ReturnType<typeof limitOf>
  /** The write key that is expected, any by default; and what is left there when this brings the cluster to life. */
  readonly key?: { readonly expected: string; readonly left: string }
  /** Instant before which it must not be done. */
  readonly notBefore?: Instant
}

/** Changes since an entry that is still known, or all that is there. */
export type Reading =
  | { readonly kind: 'since'; readonly changes: readonly ClusterChange[]; readonly isComplete: boolean }
  | { readonly kind: 'anew'; readonly cluster: ReadCluster; readonly oldest: EntryId }

/** So many changes are read at once. */
const READ_ENTRIES = STREAM_ENTRIES

/** Puts a new value in the place of what is expected. Answers it as it stands there with its version. */
export async function writeAffiliate(
  link: Link,
  keys: ClusterKeys,
  affiliate: Affiliate,
  options: WriteOptions,
): Promise<{ readonly written: Written; readonly stored: StoredAffiliate }> {
  const stored = { ...affiliate, version: makeVersion(Math.random()) }
  const value = encodeValue(affiliate, stored.version)
  return { written: await write(link, keys, affiliate, value, options), stored }
}

export const deleteAffiliate = (
  link: Link,
  keys: ClusterKeys,
  affiliateId: string,
  options: Pick<WriteOptions, 'expected' | 'notBefore' | 'key'>,
): Promise<Written> =>
  write(link, keys, { id: affiliateId, ...NOBODY }, NOTHING, {
    ...options,
    isChange: true,
    mayCreate: false,
  })

const NOTHING = Buffer.alloc(0)
const NOBODY = { endpoints: [], expiresAt: 0, origin: undefined }
const NO_LIMIT = { most: 0, isOfUnproven: false }
const ANY_KEY = { expected: '*', left: '' }
const SALT_LIMIT = 2 ** 48

async function write(
  link: Link,
  keys: ClusterKeys,
  affiliate: Pick<Affiliate, 'id' | 'endpoints' | 'expiresAt' | 'origin'>,
  value: Buffer,
  {
    expected,
    isChange,
    mayCreate,
    notBefore = 0,
    limit: { most, isOfUnproven } = NO_LIMIT,
    key = ANY_KEY,
  }: WriteOptions,
): Promise<Written> {
  const { id: affiliateId, origin } = affiliate
  const [, kind, there] = await link.run(
    SCRIPTS.write,
    [keys.affiliates, keys.changes, keys.due, keys.clusters, keys.pin],
    [
      affiliateId,
      expected,
      value,
      `${dueAt(affiliate)}`,
      dueMember(keys.hash, affiliateId),
      keys.hash,
      isChange ? '1' : '0',
      `${Math.floor(Math.random() * SALT_LIMIT)}`,
      `${CLUSTER_MAX_AFFILIATES}`,
      mayCreate ? '1' : '0',
      `${notBefore}`,
      `${KEY_LIFE}`,
      `${STREAM_ENTRIES}`,
      endOfValues(origin, isOfUnproven),
      `${most}`,
      key.expected,
      key.left,
      `${PIN_LIFE}`,
    ],
  )
  const name = String(kind) as Written['kind']
  if (name === 'key') return { kind: name, key: String(there) }
  if (name !== 'conflict') return { kind: name }
  const bytes = there as Buffer
  const decoded = bytes.length === 0 ? undefined : decodeValue(affiliateId, bytes)
  return { kind: name, there: decoded, isUnreadable: bytes.length > 0 && decoded === undefined }
}

/** What has changed since `last`, which may be empty. */
export async function readCluster(link: Link, keys: ClusterKeys, last: EntryId): Promise<Reading> {
  const [, kind, content, oldest] = await link.run(
    SCRIPTS.read,
    [keys.affiliates, keys.changes],
    [last, `${READ_ENTRIES}`],
  )
  if (String(kind) === 'since') {
    const entries = content as (readonly [Buffer, readonly Buffer[]])[]
    return {
      kind: 'since',
      changes: entries.slice(1).map(readEntry),
      isComplete: entries.length < READ_ENTRIES,
    }
  }
  return { kind: 'anew', cluster: decodeCluster(content as readonly Buffer[]), oldest: String(oldest) }
}

function decodeCluster(fields: readonly Buffer[]): ReadCluster {
  const affiliates = new Map<string, StoredAffiliate>()
  const unreadable = new Set<string>()
  let last = ''
  for (let index = 0; index < fields.length; index += 2) {
    const id = String(fields[index])
    const value = fields[index + 1] as Buffer
    if (id === '') {
      last = value.toString('latin1')
      continue
    }
    const affiliate = decodeValue(id, value)
    if (affiliate === undefined) unreadable.add(id)
    else affiliates.set(id, affiliate)
  }
  return { affiliates, unreadable, last }
}

/** One affiliate; undefined when there is none that can be read. */
export async function readAffiliate(
  link: Link,
  keys: ClusterKeys,
  affiliateId: string,
): Promise<StoredAffiliate | undefined> {
  const value = (await link.ask('HGET', keys.affiliates, affiliateId)) as Buffer | null
  return value === null ? undefined : decodeValue(affiliateId, value)
}

/** Affiliates and endpoints of a cluster. */
export async function countCluster(
  link: Link,
  keys: ClusterKeys,
): Promise<{ readonly affiliates: number; readonly endpoints: number }> {
  const [, affiliates, endpoints] = await link.run(SCRIPTS.count, [keys.affiliates], [])
  return { affiliates: affiliates as number, endpoints: endpoints as number }
}
