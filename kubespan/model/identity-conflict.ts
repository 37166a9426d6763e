/** Two machines have what only one may have. */
export interface IdentityConflict {
  readonly kind: 'node id' | 'key' | 'address'
  readonly nodeIds: readonly string[]
  /** This node is one of the two. */
  readonly isOwn: boolean
  /** It has ended, and is told of for a while longer. */
  readonly isOver: boolean
  /** One sentence for people. */
  readonly says: string
  /** What mends it, if that is for people to do. */
  readonly mend?: string
}
