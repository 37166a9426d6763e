import type { Change } from './change.ts'
import { type NftChain, type NftSet, type NftTable, OCCASIONAL_CHAINS } from './nft-table.ts'
import type { NftChainView, NftSetView, NftTableView } from './nft-view.ts'

export interface NftDiff {
  /** One transaction for `nft -f -`; empty when there is nothing to do. */
  readonly script: string
  readonly changes: readonly Change[]
}

/**
 * What makes the table what it should be, in place and in one transaction. Elements that stay are not touched: kernels
 * before 6.17 may miss one that is removed and added again in the same transaction, and then a packet goes out in clear.
 * Chains are emptied and written: no packet sees a moment between. Nothing else in the table is touched.
 */
export function diffNftTable(name: string, wanted: NftTable, observed: NftTableView | undefined): NftDiff {
  const table = `inet ${name}`
  if (observed === undefined) return build(table, wanted, 'missing')
  const reshaped = wanted.sets.find((set) => hasOtherShape(set, observed.sets.get(set.name)))
  if (reshaped !== undefined) {
    const { script, changes } = build(table, wanted, `set ${reshaped.name} of another type`)
    return { script: `delete table ${table}\n${script}`, changes }
  }

  const lines: string[] = []
  const changes: Change[] = []
  for (const set of wanted.sets) {
    const found = observed.sets.get(set.name)
    const reason = setDifference(set, found)
    if (reason === undefined) continue
    if (found === undefined) lines.push(declareSet(table, set), ...fillSet(table, set))
    else lines.push(...changeSet(table, set, found))
    changes.push({ action: found === undefined ? 'add' : 'change', what: `set ${set.name}`, reason })
  }
  for (const chain of wanted.chains) {
    const found = observed.chains.get(chain.name)
    const reason = chainDifference(chain, found)
    if (reason === undefined) continue
    if (found !== undefined && reason === OTHER_HOOK) lines.push(`delete chain ${table} ${chain.name}`)
    lines.push(declareChain(table, chain), `flush chain ${table} ${chain.name}`, ...fillChain(table, chain))
    changes.push({ action: found === undefined ? 'add' : 'change', what: `chain ${chain.name}`, reason })
  }
  for (const chain of OCCASIONAL_CHAINS)
    if (observed.chains.has(chain) && !wanted.chains.some(({ name }) => name === chain)) {
      lines.push(`delete chain ${table} ${chain}`)
      changes.push({ action: 'remove', what: `chain ${chain}`, reason: 'not wanted any more' })
    }
  return { script: script(lines), changes }
}

const script = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')

/** The whole table from nothing. */
function build(table: string, { sets, chains }: NftTable, reason: string): NftDiff {
  const lines = [
    `add table ${table}`,
    ...sets.flatMap((set) => [declareSet(table, set), ...fillSet(table, set)]),
    ...chains.flatMap((chain) => [declareChain(table, chain), ...fillChain(table, chain)]),
  ]
  return { script: script(lines), changes: [{ action: 'add', what: `table ${table}`, reason }] }
}

/** Intervals are not merged by nft: what it lists is then what we gave it, as minimal covers neither touch nor overlap. */
const declareSet = (table: string, { name, type, isInterval, timeoutSeconds }: NftSet): string =>
  `add set ${table} ${name} { type ${type.join(' . ')}; ${isInterval ? 'flags interval; ' : ''}` +
  `${timeoutSeconds === undefined ? '' : `flags timeout; timeout ${timeoutSeconds}s; `}}`

const fillSet = (table: string, { name, elements }: NftSet): string[] =>
  elements.length === 0 ? [] : [`add element ${table} ${name} { ${elements.join(', ')} }`]

function changeSet(table: string, set: NftSet, { elements: found }: NftSetView): string[] {
  const [have, want] = [new Set(found), new Set(set.elements)]
  const surplus = [...have].filter((element) => !want.has(element))
  // What is listed in another form than ours cannot be named one by one; and where nothing stays, nothing is to be spared.
  if ((have.size > 0 && surplus.length === have.size) || !surplus.every((element) => ELEMENT.test(element)))
    return [`flush set ${table} ${set.name}`, ...fillSet(table, set)]
  const missing = set.elements.filter((element) => !have.has(element))
  return [
    ...(surplus.length === 0 ? [] : [`delete element ${table} ${set.name} { ${surplus.join(', ')} }`]),
    ...fillSet(table, { ...set, elements: missing }),
  ]
}

/** As NftSet has them. */
const ELEMENT = /^[0-9a-f:./]+( \. \d+)?$/

const declareChain = (table: string, { name, type, hook, priority }: NftChain): string =>
  `add chain ${table} ${name} { type ${type} hook ${hook} priority ${priority}; policy accept; }`

const fillChain = (table: string, { name, rules }: NftChain): string[] =>
  rules.map((rule) => `add rule ${table} ${name} ${rule} comment "${ruleComment(rule)}"`)

/** A rule of ours carries the digest of what it says, because what nft shows of it is not what it was given. */
export const ruleComment = (rule: string): string => `kubespan ${digest(rule)}`

/** FNV-1a, 32 bits: it tells versions of a rule apart, and guards against nothing. */
function digest(text: string): string {
  let hash = 0x811c9dc5
  for (const unit of text) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

const hasOtherShape = (set: NftSet, found: NftSetView | undefined): boolean =>
  found !== undefined &&
  (found.type.join(' . ') !== set.type.join(' . ') || found.isInterval !== set.isInterval)

function setDifference(
  { elements, timeoutSeconds }: NftSet,
  found: NftSetView | undefined,
): string | undefined {
  if (found === undefined) return 'missing'
  if (timeoutSeconds !== undefined) return undefined
  const have = new Set(found.elements)
  const missing = elements.filter((element) => !have.has(element)).length
  const surplus = have.size - (elements.length - missing)
  return missing + surplus === 0 ? undefined : `${missing} missing, ${surplus} too many`
}

const OTHER_HOOK = 'at another hook'

function chainDifference(chain: NftChain, found: NftChainView | undefined): string | undefined {
  if (found === undefined) return 'missing'
  const { type, hook, priority, policy, comments } = found
  if (type !== chain.type || hook !== chain.hook || priority !== chain.priority || policy !== 'accept')
    return OTHER_HOOK
  const same =
    comments.length === chain.rules.length &&
    chain.rules.every((rule, index) => comments[index] === ruleComment(rule))
  return same ? undefined : 'other rules'
}
