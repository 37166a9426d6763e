import type { Placement } from '../model/desired.ts'

/** Whose things a line of `ip monitor` is about: ours, or those of others that decide about what we want. */
export type Concern = 'ours' | 'others'

/** A link that something happens to, as a line names it. */
export interface LinkEvent {
  readonly name: string
  /** One end of a pair, or on top of another link: no card of this machine. */
  readonly isPaired: boolean
  /** To an address of it that reaches beyond the link; else to the link itself. */
  readonly isAddress: boolean
}

export interface ConcernOptions {
  /** Whether what happens to a link of somebody else's may matter; by default everything does. */
  readonly matters?: ((event: LinkEvent) => boolean) | undefined
  /** Numbers of tables of others whose routes decide about what is for the mesh; by default none. */
  readonly otherTables?: ReadonlySet<number> | undefined
}

const NONE: ReadonlySet<number> = new Set()

/**
 * A line of `ip -N monitor label`; undefined for what is nothing to us. On a router the routes of other tables may change thousands of
 * times a second, and where containers come and go the links that lead to them do.
 */
export function concernOf(
  line: string,
  { routingTable, linkName }: Pick<Placement, 'routingTable' | 'linkName'>,
  { matters = () => true, otherTables = NONE }: ConcernOptions = {},
): Concern | undefined {
  if (line.startsWith('[RULE]')) return 'ours'
  if (line.startsWith('[ROUTE]')) {
    // Those of the main table are told of without its number.
    const table = Number(/\btable (\d+)\b/.exec(line)?.[1])
    if (table === routingTable) return 'ours'
    return otherTables.has(table) || DEFAULT_ROUTE.test(line) ? 'others' : undefined
  }
  const found = linkEvent(line)
  if (found === undefined) return /^\[(LINK|ADDR)\]/.test(line) ? 'others' : undefined
  const { reaches, ...event } = found
  if (event.name === linkName) return 'ours'
  return reaches && matters(event) ? 'others' : undefined
}

/**
 * Of the main table, whose number is not said, or by a gateway in any: with another gateway something else is local to this
 * host.
 */
const DEFAULT_ROUTE = /^\[ROUTE\](?:Deleted )?default (?:(?!.*\btable )|(?:.* )?via )/
/** `-N` says scopes as numbers: of a link, of a host, and of nothing at all (rtnetlink(7)). */
const NARROW_SCOPES: ReadonlySet<string> = new Set(['253', '254', '255', 'link', 'host', 'nowhere'])

function linkEvent(line: string): (LinkEvent & { readonly reaches: boolean }) | undefined {
  const link = /^\[LINK\](?:Deleted )?\d+: ([^:@\s]+)(@[^:\s]+)?: /.exec(line)
  if (link !== null)
    return { name: link[1] ?? '', isPaired: link[2] !== undefined, isAddress: false, reaches: true }
  const address = /^\[ADDR\](?:Deleted )?\d+: (\S+) +inet6? .*\bscope (\S+)/.exec(line)
  if (address === null) return undefined
  const reaches = !NARROW_SCOPES.has(address[2] ?? '')
  return { name: address[1] ?? '', isPaired: false, isAddress: true, reaches }
}
