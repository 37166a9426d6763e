import { type ChainPlace, placesOf } from './chain-places.ts'

/** A rule that looks for the way back to the source of a packet, at one of the places where it is asked. */
export interface PathFilterFact {
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly hook: string
  readonly priority: number
  /** As `nft` prints it. */
  readonly rule: string
  readonly handle: number
  /** Whether it goes by the mark of the packet; undefined for a rule of iptables, which does not tell. */
  readonly byMark: boolean | undefined
  /** Names of links whose packets it does not see. */
  readonly sparedLinks: readonly string[]
  /** Names, or beginnings of names with `*`, of the links whose packets alone it sees; undefined for all. */
  readonly onlyLinks: readonly string[] | undefined
}

const TABLE = /^table (\S+) (\S+) \{/
const CHAIN = /^\tchain (\S+) \{/
const HOOK = /^\t\ttype (\w+) hook (\w+).* priority (-?\d+);/
const RULE = /^\t\t(.*) # handle (\d+)$/
const JUMP = /\b(?:jump|goto) (\S+)/
/** `. iif`, as without it any way will do. */
const STRICT = /\bfib (?:saddr\b[^"]*?\biif|iif\b[^"]*?\bsaddr)\b.*? oif/
const SPARED = /^(?:iifname "([^"]+)" (?:accept|return)$|iifname != "([^"]+)" )/
const ONLY = /^iif(?:name)? (?:"([^"]+)"|\{ ([^}]+) \}) /
const BY_MARK = /\bfib [a-z. ]*\bmark\b/

/** `text` of `nft -s -t -y -a list ruleset`. A chain that is jumped to is where those are that jump to it. */
export function parsePathFilters(text: string): PathFilterFact[] {
  const bases = new Map<string, ChainPlace>()
  const jumps: (readonly [string, string])[] = []
  const found: (Omit<PathFilterFact, 'hook' | 'priority'> & { readonly id: string })[] = []
  let [family, table, chain] = ['', '', '']
  let spared: readonly string[] = []
  for (const line of text.split('\n')) {
    ;[, family = family, table = table] = TABLE.exec(line) ?? []
    const [, nextChain] = CHAIN.exec(line) ?? []
    if (nextChain !== undefined) [chain, spared] = [nextChain, []]
    const id = `${family} ${table} ${chain}`
    const [, type, hook, priority] = HOOK.exec(line) ?? []
    if (type !== undefined && hook !== undefined) bases.set(id, { type, hook, priority: Number(priority) })
    const [, rule = '', handle] = RULE.exec(line) ?? []
    if (handle === undefined) continue
    const [, target] = JUMP.exec(rule) ?? []
    if (target !== undefined) jumps.push([id, `${family} ${table} ${target}`])
    const [, passed, seen] = SPARED.exec(rule) ?? []
    if (passed !== undefined) spared = [...spared, passed]
    const isExtension = /\bxt match "?rpfilter"?/.test(rule)
    if (!isExtension && !STRICT.test(rule)) continue
    const byMark = isExtension ? undefined : BY_MARK.test(rule)
    const sparedLinks = seen === undefined ? spared : [...spared, seen]
    const onlyLinks = linksOf(rule)
    found.push({ id, family, table, chain, rule, handle: Number(handle), byMark, sparedLinks, onlyLinks })
  }
  const places = placesOf(bases, jumps)
  return found.flatMap(({ id, ...filter }) =>
    (places.get(id) ?? []).map(({ hook, priority }) => ({ ...filter, hook, priority })),
  )
}

/** The links that a rule is for, where it says so. */
function linksOf(rule: string): readonly string[] | undefined {
  const [, one, several] = ONLY.exec(rule) ?? []
  return one !== undefined ? [one] : several?.split(/[\s,"]+/).filter((name) => name !== '')
}
