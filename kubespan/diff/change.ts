/** One thing that was, or is to be, changed on the host; for logs and reports. */
export interface Change {
  readonly action: 'add' | 'change' | 'remove'
  /** The thing, as an operator would call it: `peer aB3…=`, `set routed_v4`, `rule 32500 (IPv6)`. */
  readonly what: string
  /** What was found instead of what should be. */
  readonly reason: string
}
