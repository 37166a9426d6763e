import type { Change } from './change.ts'
import { chainDifference, OTHER_HOOK, rewriteChain, type ShownRules, writeChain } from './nft-chains.ts'
import { changeSet, declareSet, fillSet, hasOtherShape, isUncovering, setDifference } from './nft-sets.ts'
import { GUARDED_PORTS, OCCASIONAL_CHAINS } from './nft-table.ts'
import type { NftChain, NftSet, NftTable } from './nft-types.ts'
import type { NftTableView } from './nft-view.ts'

export interface NftDiff {
  /** Transactions for `nft -f -`, in order; none when there is nothing to do. */
  readonly scripts: readonly string[]
  readonly changes: readonly Change[]
  /** Whether there are other rules afterwards. */
  readonly writesChains: boolean
}

/**
 * What makes the table what it should be, in place and in one transaction. Elements that stay are not touched: kernels
 * before 6.17 may miss one that is removed and added again in the same transaction, and then a packet goes out in clear.
 * Where an address leaves a set with one element and comes back with another, all that is wanted stands in a second set
 * meanwhile, which takes a transaction before and one after. Nothing else in the table is touched.
 */
export function diffNftTable(
  name: string,
  wanted: NftTable,
  observed: NftTableView | undefined,
  shown: ShownRules,
): NftDiff {
  const table = `inet ${name}`
  if (observed === undefined) return build(table, wanted, 'missing')
  const reshaped = wanted.sets.find((set) => hasOtherShape(set, observed.sets.get(set.name)))
  if (reshaped !== undefined) return build(table, wanted, `set ${reshaped.name} of another type`)

  const setLines: string[] = []
  const chainLines: string[] = []
  const changes: Change[] = []
  const uncovered: NftSet[] = []
  for (const counter of wanted.counters.filter((name) => !observed.counters.has(name))) {
    setLines.push(declareCounter(table, counter))
    changes.push({ action: 'add', what: `counter ${counter}`, reason: 'missing' })
  }
  for (const set of wanted.sets) {
    const found = observed.sets.get(set.name)
    const reason = setDifference(set, found)
    if (reason === undefined) continue
    if (found === undefined) setLines.push(declareSet(table, set), ...fillSet(table, set))
    else setLines.push(...changeSet(table, set, found))
    if (found !== undefined && isUncovering(set, found)) uncovered.push(set)
    changes.push({ action: found === undefined ? 'add' : 'change', what: `set ${set.name}`, reason })
  }

  const reasons = wanted.chains.map((chain) => chainDifference(chain, observed.chains.get(chain.name), shown))
  const cover = coverUp(table, wanted, uncovered, reasons)
  for (const [index, chain] of wanted.chains.entries()) {
    const reason = reasons[index]
    if (reason === OTHER_HOOK) chainLines.push(`delete chain ${table} ${chain.name}`)
    if (reason !== undefined || cover.chains.has(chain)) chainLines.push(...rewriteChain(table, chain))
    if (reason === undefined) continue
    const action = observed.chains.has(chain.name) ? 'change' : 'add'
    changes.push({ action, what: `chain ${chain.name}`, reason })
  }
  for (const chain of OCCASIONAL_CHAINS)
    if (observed.chains.has(chain) && !wanted.chains.some((other) => other.name === chain)) {
      chainLines.push(`delete chain ${table} ${chain}`)
      changes.push({ action: 'remove', what: `chain ${chain}`, reason: 'not wanted any more' })
    }
  const leftOvers = wanted.sets.map(coverName).filter((set) => observed.sets.has(set))
  for (const set of leftOvers)
    changes.push({ action: 'remove', what: `set ${set}`, reason: 'left behind by a change that was cut off' })
  const covers = cover.lines.length === 0 ? [] : uncovered.map(coverName)
  for (const set of new Set([...covers, ...leftOvers])) chainLines.push(`delete set ${table} ${set}`)

  const transactions =
    cover.lines.length === 0 ? [[...setLines, ...chainLines]] : [cover.lines, setLines, chainLines]
  return {
    scripts: transactions.filter((lines) => lines.length > 0).map(script),
    changes,
    writesChains: reasons.some((reason) => reason !== undefined),
  }
}

const script = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

const declareCounter = (table: string, name: string): string => `add counter ${table} ${name}`

const buildLines = (table: string, { counters, sets, chains }: NftTable): string[] => [
  ...counters.map((counter) => declareCounter(table, counter)),
  ...sets.flatMap((set) => [declareSet(table, set), ...fillSet(table, set)]),
  ...chains.flatMap((chain) => writeChain(table, chain)),
]

/**
 * The whole table at once, for when somebody else has removed it; refused where there is one again. The ports that are guarded are
 * left to the next comparison, which has more to do with them than to name them.
 */
export const restoreScript = (name: string, { sets, ...wanted }: NftTable): string => {
  const table = `inet ${name}`
  const withoutPorts = sets.map((set) => (set.name === GUARDED_PORTS ? { ...set, elements: [] } : set))
  return script([`create table ${table}`, ...buildLines(table, { ...wanted, sets: withoutPorts })])
}

/** The whole table from nothing, or in the place of one that has appeared meanwhile. */
function build(table: string, wanted: NftTable, reason: string): NftDiff {
  const lines = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    ...buildLines(table, wanted),
  ]
  return {
    scripts: [script(lines)],
    changes: [{ action: 'add', what: `table ${table}`, reason }],
    writesChains: true,
  }
}

const coverName = ({ name }: Pick<NftSet, 'name'>): string => `${name}_cover`

interface Cover {
  readonly lines: readonly string[]
  /** Which name the covering sets as well, until they are written once more. */
  readonly chains: ReadonlySet<NftChain>
}

/** A second set of all that is wanted, asked before the first one. */
function coverUp(
  table: string,
  { chains }: NftTable,
  uncovered: readonly NftSet[],
  reasons: readonly (string | undefined)[],
): Cover {
  const twins = (rule: string): string[] =>
    uncovered
      .filter(({ name }) => new RegExp(`@${name}\\b`).test(rule))
      .map((set) => rule.replace(`@${set.name}`, `@${coverName(set)}`))
  const touched = chains.filter(({ rules }) => rules.some((rule) => twins(rule).length > 0))
  // Where a chain does not do its work, there is nothing to be kept.
  const isWhole = touched.every((chain) => !BROKEN.has(reasons[chains.indexOf(chain)]))
  if (touched.length === 0 || !isWhole) return { lines: [], chains: new Set() }
  const lines = [
    ...uncovered.flatMap((set) => {
      const cover = { ...set, name: coverName(set) }
      return [declareSet(table, cover), `flush set ${table} ${cover.name}`, ...fillSet(table, cover)]
    }),
    ...touched.flatMap((chain) =>
      rewriteChain(table, { ...chain, rules: chain.rules.flatMap((rule) => [...twins(rule), rule]) }),
    ),
  ]
  return { lines, chains: new Set(touched) }
}

const BROKEN = new Set<string | undefined>(['missing', OTHER_HOOK])
