/** Who sends an update or a deletion, as far as that was proven. */
export interface Writer {
  /** The write key that a proof was given with; undefined without one. */
  readonly key: string | undefined
  /** The cluster's write key where the operator has named it. */
  readonly listed: string | undefined
}

export const NOBODY: Writer = { key: undefined, listed: undefined }

/**
 * What a writer may do. `open`: the cluster has no write key, and everybody may do everything. `member`: the writer has it.
 * `stranger`: it has one, and the writer did not prove it, be it a node of another make or somebody who found the id.
 */
export type Rights = 'open' | 'member' | 'stranger'

/** `pinned` is the key that the cluster was brought to life with. */
export function rightsOf({ key, listed }: Writer, pinned: string | undefined): Rights {
  const owner = listed ?? pinned
  if (owner === undefined) return 'open'
  return key === owner ? 'member' : 'stranger'
}
