import { isPublicWriteKey } from '../../shared/identity/write-key.ts'

/** SHA-256 of a text in lower-case hex. */
export type Sha256 = (text: string) => string

/** What the operator says of a cluster that is allowed. */
export interface AllowedCluster {
  /** The public write key of its members; undefined where it is not named. */
  readonly key: string | undefined
  /** Whether nobody else is served. */
  readonly isMembersOnly: boolean
}

const HASH = /^[0-9a-f]{64}$/i
const MEMBERS_ONLY = 'members-only'
const PLAIN: AllowedCluster = { key: undefined, isMembersOnly: false }

/**
 * The clusters that an operator allows: a cluster id, or the SHA-256 of one in hex, per line, and behind it the public write key of
 * its members and `members-only`, if that is wanted; empty lines and lines that begin with # do not count. A file of hashes does
 * not give away the ids, which give access.
 */
export class AllowedClusters {
  readonly #ids = new Map<string, AllowedCluster>()
  readonly #hashes = new Map<string, AllowedCluster>()
  readonly #sha256: Sha256
  /** Ids that were found by their hash: no more than there are hashes. */
  readonly #found = new Map<string, AllowedCluster>()

  /** @throws when a line says `members-only` without a key, which would keep out everybody. */
  constructor(text: string, sha256: Sha256) {
    for (const [index, raw] of text.split('\n').entries()) {
      const line = raw.trim()
      if (line === '' || line.startsWith('#')) continue
      const [name, cluster] = readLine(line, index + 1)
      this.#ids.set(name, cluster)
      if (HASH.test(name)) this.#hashes.set(name.toLowerCase(), cluster)
    }
    this.#sha256 = sha256
  }

  get size(): number {
    return this.#ids.size
  }

  has(clusterId: string): boolean {
    return this.find(clusterId) !== undefined
  }

  find(clusterId: string): AllowedCluster | undefined {
    const known = this.#ids.get(clusterId) ?? this.#found.get(clusterId)
    if (known !== undefined || this.#hashes.size === 0) return known
    const hashed = this.#hashes.get(this.#sha256(clusterId))
    if (hashed !== undefined) this.#found.set(clusterId, hashed)
    return hashed
  }
}

/** What does not end in words of ours is an id, spaces and all. */
function readLine(line: string, number: number): readonly [name: string, cluster: AllowedCluster] {
  const words = line.split(/\s+/)
  const isMembersOnly = words.length > 1 && words.at(-1) === MEMBERS_ONLY
  if (isMembersOnly) words.pop()
  const last = words.at(-1) ?? ''
  if (words.length === 2 && isPublicWriteKey(last)) return [words[0] as string, { key: last, isMembersOnly }]
  if (isMembersOnly)
    throw new Error(`line ${number}: members-only needs the write key of the members before it`)
  return [line, PLAIN]
}
