import type { Family } from '../../shared/net/address.ts'

/** Any policy rule of this host, ours or not. */
export interface AnyRule {
  readonly family: Family
  readonly priority: number
  /** Undefined: any. */
  readonly fwmark: { readonly value: number; readonly mask: number } | undefined
  /** Undefined for rules that do something else than look into a table. */
  readonly table: number | undefined
  /** Everything else that it says: `from 10.0.0.0/8`, `iif eth0`. */
  readonly others: readonly string[]
}

interface RuleRow {
  readonly priority: number
  readonly src?: string
  readonly srclen?: number
  readonly fwmark?: string
  readonly fwmask?: string
  readonly table?: string
  readonly protocol?: string
}

const ALL_BITS = 0xffffffff
const KNOWN = new Set(['priority', 'src', 'srclen', 'fwmark', 'fwmask', 'table', 'protocol'])

/** `ip -json -N rule show`, in the order in which the kernel asks. */
export function parseRules(text: string, family: Family): AnyRule[] {
  const rows = text.trim() === '' ? [] : (JSON.parse(text) as Partial<RuleRow>[])
  return rows.flatMap((row): AnyRule[] => {
    if (row.priority === undefined) return [] // iproute2 leaves empty objects where it filtered
    const { src = 'all', srclen, fwmark, fwmask, table } = row
    return [
      {
        family,
        priority: row.priority,
        fwmark:
          fwmark === undefined ? undefined : { value: Number(fwmark), mask: Number(fwmask ?? ALL_BITS) },
        table: table === undefined ? undefined : Number(table),
        others: [
          ...(src === 'all' ? [] : [`from ${src}${srclen === undefined ? '' : `/${srclen}`}`]),
          ...Object.entries(row)
            .filter(([field]) => !KNOWN.has(field))
            .map(([field, value]) => (value === null ? field : `${field} ${String(value)}`)),
        ],
      },
    ]
  })
}

const hex = (value: number): string => `0x${value.toString(16)}`

/** As `ip rule` would say it. */
export function describeRule({ family, priority, fwmark, table, others }: AnyRule): string {
  const words = [
    ...others,
    ...(fwmark === undefined
      ? []
      : [`fwmark ${hex(fwmark.value)}${fwmark.mask === ALL_BITS ? '' : `/${hex(fwmark.mask)}`}`]),
    ...(table === undefined ? [] : [`lookup ${table}`]),
  ]
  return `${priority}: ${words.join(' ')} (IPv${family})`
}
