/** Anything of libnftables-json(5): what is not understood stays as it is. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

export interface RulesetRule {
  readonly handle: number | undefined
  /** Statements in order. */
  readonly expr: readonly Json[]
  /** The same in the words of `nft`, where that was asked for; it knows more of what iptables has written. */
  readonly text: string | undefined
}

export interface RulesetChain {
  readonly family: string
  readonly table: string
  readonly name: string
  /** The four of chains that packets come to by themselves. */
  readonly type: string | undefined
  readonly hook: string | undefined
  readonly priority: number | undefined
  readonly policy: string | undefined
  /** The link of a chain at `ingress`. */
  readonly device: string | undefined
  readonly rules: readonly RulesetRule[]
}

/** All rules of a host. */
export interface Ruleset {
  readonly chains: readonly RulesetChain[]
  /** Elements of sets and maps, by `family table name`. */
  readonly sets: ReadonlyMap<string, readonly Json[]>
}

export const isRecord = (value: Json | undefined): value is { readonly [name: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A list where nft prints one, or the single thing where it prints that. */
export const listOf = (value: Json | undefined): readonly Json[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

/** `json` of `nft -j list ruleset`, `words` of `nft -a list ruleset` or nothing. */
export function parseRuleset(json: string, words = ''): Ruleset {
  const { nftables } = JSON.parse(json) as { readonly nftables: readonly Json[] }
  const texts = textsByHandle(words)
  const chains = new Map<string, RulesetChain & { readonly rules: RulesetRule[] }>()
  const sets = new Map<string, readonly Json[]>()
  for (const object of nftables) {
    const [[kind, of] = []] = isRecord(object) ? Object.entries(object) : []
    if (!isRecord(of)) continue
    const place = `${of.family} ${of.table}`
    if (kind === 'chain')
      chains.set(`${place} ${of.name}`, {
        family: String(of.family),
        table: String(of.table),
        name: String(of.name),
        type: text(of.type),
        hook: text(of.hook),
        priority: typeof of.prio === 'number' ? of.prio : undefined,
        policy: text(of.policy),
        device: text(of.dev),
        rules: [],
      })
    else if (kind === 'set' || kind === 'map') sets.set(`${place} ${of.name}`, listOf(of.elem))
    else if (kind === 'rule')
      chains.get(`${place} ${of.chain}`)?.rules.push({
        handle: typeof of.handle === 'number' ? of.handle : undefined,
        expr: listOf(of.expr),
        text: texts.get(`${place} ${of.handle}`),
      })
  }
  return { chains: [...chains.values()], sets }
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined)

/** Rules by `family table handle`. */
function textsByHandle(words: string): ReadonlyMap<string, string> {
  const texts = new Map<string, string>()
  let table = ''
  for (const line of words.split('\n')) {
    table = /^table (\S+ \S+) \{/.exec(line)?.[1] ?? table
    const [, rule, handle] = /^\t\t(.*) # handle (\d+)$/.exec(line) ?? []
    if (rule !== undefined) texts.set(`${table} ${handle}`, rule.trim())
  }
  return texts
}
