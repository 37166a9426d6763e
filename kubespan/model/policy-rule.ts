import { bitsOf, type Family, type Prefix, parsePrefix } from '../../shared/net/address.ts'
import { hex } from './mark-words.ts'

/** Any policy rule of this host, ours or not. */
export interface AnyRule {
  readonly family: Family
  readonly priority: number
  /** It is for what does not match the rest of it. */
  readonly isNegated: boolean
  /** Undefined: anywhere. */
  readonly from: Prefix | undefined
  readonly to: Prefix | undefined
  /** Undefined: any. */
  readonly fwmark: { readonly value: number; readonly mask: number } | undefined
  /** Everything else that it asks for, as `ip rule` has it: `iif eth0`, `dport 443`. */
  readonly others: readonly string[]
  /** It names a link that is not there, so that nothing matches. */
  readonly isDetached: boolean
  readonly action: RuleAction
}

export type RuleAction =
  /** Of routes whose prefixes are no longer than `suppressed`, none counts. */
  | { readonly kind: 'lookup'; readonly table: number; readonly suppressed: number | undefined }
  /** The table of the VRF that a packet belongs to. */
  | { readonly kind: 'l3mdev' }
  /** `isResolved`: a rule of that priority is there; else the kernel goes on with the next one. */
  | { readonly kind: 'goto'; readonly priority: number; readonly isResolved: boolean }
  | { readonly kind: 'refuse'; readonly how: 'blackhole' | 'unreachable' | 'prohibit' }
  | { readonly kind: 'nop' }

interface RuleRow {
  readonly priority: number
  readonly not?: null
  readonly src?: string
  readonly srclen?: number
  readonly dst?: string
  readonly dstlen?: number
  readonly fwmark?: string
  readonly fwmask?: string
  readonly table?: string
  readonly suppress_prefixlen?: number
  readonly l3mdev?: null
  readonly goto?: number
  readonly unresolved?: null
  readonly action?: string
  readonly uid_start?: number
  readonly uid_end?: number
  readonly ipproto?: string
}

const ALL_BITS = 0xffffffff
/** Said in another way, or of no meaning to what a rule matches. */
const KNOWN = new Set(
  'priority not src srclen dst dstlen fwmark fwmask table suppress_prefixlen l3mdev goto unresolved action nop protocol uid_start uid_end iif_detached oif_detached'.split(
    ' ',
  ),
)
/** Numbers of rtnetlink(7), as -N prints them. */
const REFUSALS: Readonly<Record<string, 'blackhole' | 'unreachable' | 'prohibit'>> = {
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
}

/** `ip -json -N rule show`, in the order in which the kernel asks. */
export function parseRules(text: string, family: Family): AnyRule[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Partial<RuleRow>[])
  return rows.flatMap((row): AnyRule[] => {
    if (row.priority === undefined) return [] // iproute2 leaves empty objects where it filtered
    const { src = 'all', srclen, dst, dstlen, fwmark, fwmask } = row
    const prefix = (address: string, bits = bitsOf(family)) => parsePrefix(`${address}/${bits}`)
    return [
      {
        family,
        priority: row.priority,
        isNegated: 'not' in row,
        from: src === 'all' ? undefined : prefix(src, srclen),
        to: dst === undefined ? undefined : prefix(dst, dstlen),
        fwmark:
          fwmark === undefined ? undefined : { value: Number(fwmark), mask: Number(fwmask ?? ALL_BITS) },
        others: [
          ...(row.uid_start === undefined ? [] : [`uidrange ${row.uid_start}-${row.uid_end}`]),
          ...Object.entries(row)
            .filter(([field]) => !KNOWN.has(field))
            .map(otherWords),
        ],
        isDetached: 'iif_detached' in row || 'oif_detached' in row,
        action: actionOf(row),
      },
    ]
  })
}

function otherWords([field, value]: [string, unknown]): string {
  if (value === null) return field
  // As in `ipproto-6` with -N.
  return `${field} ${String(value).replace(/^ipproto-/, '')}`
}

function actionOf(row: Partial<RuleRow>): RuleAction {
  const how = REFUSALS[row.action ?? '']
  if (how !== undefined) return { kind: 'refuse', how }
  if (row.goto !== undefined) return { kind: 'goto', priority: row.goto, isResolved: !('unresolved' in row) }
  if ('l3mdev' in row) return { kind: 'l3mdev' }
  if (row.table === undefined) return { kind: 'nop' }
  return { kind: 'lookup', table: Number(row.table), suppressed: row.suppress_prefixlen }
}

/** As `ip rule` would say it. */
export const describeRule = (rule: AnyRule): string =>
  `${rule.priority}: ${ruleWords(rule)} (IPv${rule.family})`

/** What `ip rule add` is told of it, apart from its priority. */
export function ruleWords({ family, isNegated, from, to, others, fwmark, action }: AnyRule): string {
  const hostBits = `/${bitsOf(family)}`
  const short = (prefix: Prefix): string =>
    prefix.endsWith(hostBits) ? prefix.slice(0, -hostBits.length) : prefix
  return [
    ...(isNegated ? ['not'] : []),
    ...(from === undefined ? [] : [`from ${short(from)}`]),
    ...(to === undefined ? [] : [`to ${short(to)}`]),
    ...others,
    ...(fwmark === undefined
      ? []
      : [`fwmark ${hex(fwmark.value)}${fwmark.mask === ALL_BITS ? '' : `/${hex(fwmark.mask)}`}`]),
    actionWords(action),
  ].join(' ')
}

const TABLES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' }

function actionWords(action: RuleAction): string {
  switch (action.kind) {
    case 'lookup':
      return `lookup ${TABLES[action.table] ?? action.table}${action.suppressed === undefined ? '' : ` suppress_prefixlength ${action.suppressed}`}`
    case 'goto':
      return `goto ${action.priority}`
    case 'refuse':
      return action.how
    default:
      return action.kind
  }
}
