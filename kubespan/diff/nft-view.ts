import { parseAddress } from '../../shared/net/address.ts'

export interface NftRuleView {
  readonly comment: string | undefined
  /** What it says, as `nft` has it: never the text that it was given. */
  readonly shown: string
}

/** A chain as `nft` shows it. */
export interface NftChainView {
  readonly type: string | undefined
  readonly hook: string | undefined
  readonly priority: number | undefined
  readonly policy: string | undefined
  readonly rules: readonly NftRuleView[]
}

export interface NftSetView {
  readonly type: readonly string[]
  readonly isInterval: boolean
  /** In the form of NftSet's. */
  readonly elements: readonly string[]
}

/** Our table as it is; undefined instead of this when there is none. */
export interface NftTableView {
  /** Name → packets. */
  readonly counters: ReadonlyMap<string, number>
  readonly sets: ReadonlyMap<string, NftSetView>
  readonly chains: ReadonlyMap<string, NftChainView>
}

interface SetRow {
  readonly name: string
  readonly type: string | readonly string[]
  readonly flags?: readonly string[]
  readonly elem?: readonly unknown[]
}

interface ChainRow {
  readonly name: string
  readonly type?: string
  readonly hook?: string
  readonly prio?: number
  readonly policy?: string
}

interface RuleRow {
  readonly chain: string
  readonly comment?: string
  readonly expr?: unknown
}

interface CounterRow {
  readonly name: string
  readonly packets: number
}

interface Listing {
  readonly nftables: readonly {
    readonly counter?: CounterRow
    readonly set?: SetRow
    readonly chain?: ChainRow
    readonly rule?: RuleRow
  }[]
}

/** The answer of `nft -j list table`. */
export function parseNftTable(text: string): NftTableView {
  const { nftables } = JSON.parse(text) as Listing
  const counters = new Map<string, number>()
  const sets = new Map<string, NftSetView>()
  const chains = new Map<string, NftChainView & { rules: NftRuleView[] }>()
  for (const { counter, set, chain, rule } of nftables) {
    if (counter !== undefined) counters.set(counter.name, counter.packets)
    if (set !== undefined)
      sets.set(set.name, {
        type: typeof set.type === 'string' ? [set.type] : set.type,
        isInterval: set.flags?.includes('interval') ?? false,
        elements: (set.elem ?? []).map(elementText),
      })
    if (chain !== undefined) {
      const { type, hook, prio, policy } = chain
      chains.set(chain.name, { type, hook, priority: prio, policy, rules: [] })
    }
    if (rule !== undefined)
      chains.get(rule.chain)?.rules.push({ comment: rule.comment, shown: JSON.stringify(rule.expr) ?? '' })
  }
  return { counters, sets, chains }
}

interface ElementObject {
  readonly prefix?: { readonly addr: string; readonly len: number }
  readonly concat?: readonly unknown[]
}

/** Anything that is not of a form we write comes out as text that equals none of ours. */
function elementText(element: unknown): string {
  if (typeof element === 'string') return parseAddress(element) ?? element
  if (typeof element !== 'object' || element === null) return String(element)
  const { prefix, concat } = element as ElementObject
  if (prefix !== undefined) return `${parseAddress(prefix.addr) ?? prefix.addr}/${prefix.len}`
  if (concat !== undefined) return concat.map(elementText).join(' . ')
  return JSON.stringify(element)
}
