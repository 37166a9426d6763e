import type { Change } from './change.ts'
import { chainDifference, OTHER_HOOK, rewriteChain, type ShownRules, writeChain } from './nft-chains.ts'
import { changeSet, declareSet, fillSet, hasOtherShape, isUncovering, setDifference } from './nft-sets.ts'
import { type NftChain, type NftSet, type NftTable, OCCASIONAL_CHAINS } from './nft-table.ts'
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
  if (reshaped !== undefined) {
    const { scripts, ...rest } = build(table, wanted, `set ${reshaped.name} of another type`)
    return { ...rest, scripts: [`delete table ${table}\n${scripts.join('')}`] }
  }

  const setLines: string[] = []
  const chainLines: string[] = []
  const changes: Change[] = []
  const uncovered: NftSet[] = []
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

/** The whole table from nothing. */
function build(table: string, { sets, chains }: NftTable, reason: string): NftDiff {
  const lines = [
    `add table ${table}`,
    ...sets.flatMap((set) => [declareSet(table, set), ...fillSet(table, set)]),
    ...chains.flatMap((chain) => writeChain(table, chain)),
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
