import type { NftChain } from './nft-types.ts'
import type { NftChainView, NftTableView } from './nft-view.ts'

/** How nft shows rules of ours, by the comments that they were written with. */
export type ShownRules = ReadonlyMap<string, string>

const declareChain = (table: string, { name, type, hook, priority }: NftChain): string =>
  `add chain ${table} ${name} { type ${type} hook ${hook} priority ${priority}; policy accept; }`

/** The whole chain, whatever it held before: no packet sees a moment between. */
export const rewriteChain = (table: string, chain: NftChain): string[] => {
  const [head = '', ...rules] = writeChain(table, chain)
  return [head, `flush chain ${table} ${chain.name}`, ...rules]
}

/** One that is not there. */
export const writeChain = (table: string, chain: NftChain): string[] => [
  declareChain(table, chain),
  ...chain.rules.map((rule) => `add rule ${table} ${chain.name} ${rule} comment "${ruleComment(rule)}"`),
]

/** A rule of ours carries the digest of what it says, because what nft shows of it is not what it was given. */
export const ruleComment = (rule: string): string => `kubespan ${digest(rule)}`

/** FNV-1a, 32 bits: it tells versions of a rule apart, and guards against nothing. */
function digest(text: string): string {
  let hash = 0x811c9dc5
  for (const unit of text) hash = Math.imul(hash ^ (unit.codePointAt(0) ?? 0), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

export const OTHER_HOOK = 'at another hook'

/** Rules are compared with how nft showed them when we had just written them: somebody may keep our comment and say something else. */
export function chainDifference(
  chain: NftChain,
  found: NftChainView | undefined,
  shown: ShownRules,
): string | undefined {
  if (found === undefined) return 'missing'
  const { type, hook, priority, policy, rules } = found
  if (type !== chain.type || hook !== chain.hook || priority !== chain.priority || policy !== 'accept')
    return OTHER_HOOK
  const comments = chain.rules.map(ruleComment)
  if (rules.length !== comments.length || rules.some(({ comment }, index) => comment !== comments[index]))
    return 'other rules'
  if (comments.some((comment) => !shown.has(comment))) return 'rules of an earlier run'
  return rules.every(({ shown: text, comment = '' }) => shown.get(comment) === text)
    ? undefined
    : 'rules that say something else'
}

/** To be asked right after chains were written. */
export const shownRules = (observed: NftTableView | undefined): ShownRules =>
  new Map(
    [...(observed?.chains.values() ?? [])].flatMap(({ rules }) =>
      rules.flatMap(({ comment, shown }) => (comment === undefined ? [] : [[comment, shown] as const])),
    ),
  )
