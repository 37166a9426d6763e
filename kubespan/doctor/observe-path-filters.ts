import type { Host } from '../host/host.ts'
import type { PathFilterFact } from './facts.ts'

/** Rules of others that ask for the way back to a packet's source and by which link it leads, wherever they are. */
export const observePathFilters = async (host: Host): Promise<readonly PathFilterFact[]> =>
  // Without the elements of sets, priorities as numbers, and what a rule is called.
  parsePathFilters(await host.run('nft', ['-t', '-y', '-a', 'list', 'ruleset']))

const TABLE = /^table (\S+) (\S+) \{/
const CHAIN = /^\tchain (\S+) \{/
const HOOK = /^\t\ttype \w+ hook (\w+).* priority (-?\d+);/
const RULE = /^\t\t(.*) # handle (\d+)$/
const JUMP = /\b(?:jump|goto) (\S+)/
/** `. iif`, as without it any way will do. */
const STRICT = /\bfib (?:saddr\b[^"]*?\biif|iif\b[^"]*?\bsaddr)\b.*? oif/
const SPARED = /^(?:iifname "([^"]+)" (?:accept|return)$|iifname != "([^"]+)" )/
const BY_MARK = /\bfib [a-z. ]*\bmark\b/

interface Place {
  readonly hook: string
  readonly priority: number
}

/** A chain that is jumped to is where those are that jump to it. */
export function parsePathFilters(text: string): PathFilterFact[] {
  const places = new Map<string, Place[]>()
  const jumps: (readonly [string, string])[] = []
  const found: (Omit<PathFilterFact, 'hook' | 'priority'> & { readonly id: string })[] = []
  let [family, table, chain] = ['', '', '']
  let spared: readonly string[] = []
  for (const line of text.split('\n')) {
    ;[, family = family, table = table] = TABLE.exec(line) ?? []
    const [, nextChain] = CHAIN.exec(line) ?? []
    if (nextChain !== undefined) [chain, spared] = [nextChain, []]
    const id = `${family} ${table} ${chain}`
    const [, hook, priority] = HOOK.exec(line) ?? []
    if (hook !== undefined) places.set(id, [{ hook, priority: Number(priority) }])
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
    found.push({ id, family, table, chain, rule, handle: Number(handle), byMark, sparedLinks })
  }
  // As deep as chains are nested anywhere.
  for (let depth = 0; depth < 8; depth += 1)
    for (const [from, to] of jumps) {
      const known = places.get(to) ?? []
      const more = (places.get(from) ?? []).filter(
        (place) => !known.some(({ hook, priority }) => hook === place.hook && priority === place.priority),
      )
      if (more.length > 0) places.set(to, [...known, ...more])
    }
  return found.flatMap(({ id, ...filter }) =>
    (places.get(id) ?? []).map((place) => ({ ...filter, ...place })),
  )
}
