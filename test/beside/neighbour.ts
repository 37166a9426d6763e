/** Another program on a host of the mesh: what it does there, as shell that runs on that host. Variables: see Trial. */
export interface Neighbour {
  /** As the page calls its section. */
  readonly name: string
  /** Prints which version it is; undefined where only its rules are there. */
  readonly version?: string
  /** Puts there what the program puts there, and returns when that is done. */
  readonly start: string
  /** Takes all of it back. */
  readonly stop: string
  /** Prints what is there of it, without what changes by itself. */
  readonly footprint: string
  /** Fails unless the program does its own work. */
  readonly works: string
  /** A TCP port of the host, by IPv4, at which what it runs is called by other members. */
  readonly servesPort?: number
  /** What happens to it now and then, by name. */
  readonly events: Readonly<Record<string, string>>
}
