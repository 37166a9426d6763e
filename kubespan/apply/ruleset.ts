import { isLate, type StrangeChains, suspectChains } from '../diff/chain-detours.ts'
import type { Runner } from '../host/runner.ts'
import { markRules } from '../model/mark-rules.ts'
import { parseRuleset, type Ruleset } from '../model/nft-ruleset.ts'
import { type PathFilterFact, parsePathFilters } from '../model/path-filters.ts'

export type { StrangeChains }

/** Everything that is loaded. What iptables-nft has written is asked for in words as well, because JSON only names it. */
export async function observeRuleset(runner: Pick<Runner, 'run'>): Promise<Ruleset> {
  const text = await runner.run('nft', ['-j', 'list', 'ruleset'])
  const words = text.includes('"xt"') ? await runner.run('nft', ['-a', 'list', 'ruleset']) : ''
  return parseRuleset(text, words)
}

/** Rules of others that ask for the way back to a packet's source and by which link it leads, wherever they are. */
export const observePathFilters = async (runner: Pick<Runner, 'run'>): Promise<readonly PathFilterFact[]> =>
  parsePathFilters(await runner.run('nft', WORDS))

/** Without the elements of sets and what counters have counted, priorities as numbers, and what a rule is called. */
const WORDS = ['-s', '-t', '-y', '-a', 'list', 'ruleset']

/** What may take packets of the mesh in tables that are not ours. Only where a chain is late enough to do so by the mark is it asked twice. */
export async function observeStrangeChains(
  runner: Pick<Runner, 'run'>,
  nftTable: string,
): Promise<StrangeChains> {
  const words = await runner.run('nft', WORDS)
  const theirs = words
    .split(/^(?=table )/m)
    .filter((table) => !table.startsWith(`table inet ${nftTable} {`))
    .join('')
  const ruleset = hasLateChain(theirs)
    ? parseRuleset(await runner.run('nft', ['-j', '-t', 'list', 'ruleset']), words)
    : undefined
  const marks = ruleset === undefined ? [] : markRules(ruleset)
  return suspectChains({
    marks: marks.filter(({ family, table }) => family !== 'inet' || table !== nftTable),
    pathFilters: parsePathFilters(theirs),
  })
}

const BASE_CHAIN = /^\t\ttype (\w+) hook (\w+).* priority (-?\d+);/gm

const hasLateChain = (words: string): boolean =>
  [...words.matchAll(BASE_CHAIN)].some(([, type, hook, priority]) =>
    isLate({ type, hook, priority: Number(priority) }),
  )
