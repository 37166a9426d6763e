import { type ChainPlace, placesOf } from './chain-places.ts'
import { isRecord, type Json, type Ruleset, type RulesetChain, type RulesetRule } from './nft-ruleset.ts'

/** A rule of nft, whoever's, that writes the mark of packets. */
export interface MarkRule {
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly handle: number | undefined
  /** Of the chain that packets come from, by whatever jumps; undefined where none do. */
  readonly type: string | undefined
  readonly hook: string | undefined
  readonly priority: number | undefined
  /** Packets with one of these marks do not come to it: its chain lets them go before, or it asks for others. */
  readonly spared: readonly MarkMatch[]
  /** It is for packets with this mark; undefined where it asks for none. */
  readonly only: MarkMatch | undefined
  /** What becomes of the mark; undefined where nft does not show it. */
  readonly effect: MarkEffect | undefined
}

/** Of the mark, these bits with that value. */
export interface MarkMatch {
  readonly mask: number
  readonly value: number
}

export interface MarkEffect {
  /** Bits that may be set afterwards though they were not before. */
  readonly sets: number
  /** Bits that stay as they were; all others may be cleared. */
  readonly keeps: number
  /** It comes from the mark of the connection, where somebody saved it. */
  readonly isRestored: boolean
}

const ALL_BITS = 0xffffffff
const UNKNOWN: MarkEffect = { sets: ALL_BITS, keeps: 0, isRestored: false }

const NOWHERE: readonly (ChainPlace | Record<keyof ChainPlace, undefined>)[] = [
  { type: undefined, hook: undefined, priority: undefined },
]

/** All of a ruleset, ours among them; each once for every place where packets come to it. */
export function markRules({ chains }: Ruleset): MarkRule[] {
  const places = placesOf(chains.flatMap(baseOf), chains.flatMap(jumpsOf))
  return chains.flatMap((chain) => {
    const { family, table, name } = chain
    const gone: MarkMatch[] = []
    return chain.rules.flatMap((rule) => {
      const { is, isNot } = marksAskedFor(rule)
      const spared = isNot === undefined ? [...gone] : [...gone, isNot]
      if (is !== undefined && rule.expr.length === 2 && isEnd(rule.expr[1])) gone.push(is)
      return effectsOf(rule).flatMap((effect) =>
        (places.get(idOf(chain, name)) ?? NOWHERE).map(
          (place): MarkRule => ({
            ...{ family, table, chain: name, handle: rule.handle, ...place },
            ...{ spared, only: is, effect },
          }),
        ),
      )
    })
  })
}

const idOf = ({ family, table }: RulesetChain, name: string): string => `${family} ${table} ${name}`

const baseOf = (chain: RulesetChain): (readonly [string, ChainPlace])[] => {
  const { name, type, hook, priority } = chain
  return type === undefined || hook === undefined || priority === undefined
    ? []
    : [[idOf(chain, name), { type, hook, priority }]]
}

const jumpsOf = (chain: RulesetChain): (readonly [string, string])[] =>
  chain.rules
    .flatMap(({ expr }) => expr.flatMap(targetsOf))
    .map((target) => [idOf(chain, chain.name), idOf(chain, target)])

/** Also in a map of verdicts that is written into the rule. */
function targetsOf(value: Json): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(targetsOf)
  if (!isRecord(value)) return []
  const target = field(value.jump ?? value.goto, 'target')
  return typeof target === 'string' ? [target] : Object.values(value).flatMap(targetsOf)
}

const isEnd = (statement: Json | undefined): boolean =>
  isRecord(statement) && ('accept' in statement || 'return' in statement)

/** What a rule asks of the mark before it does anything. */
function marksAskedFor({ expr }: RulesetRule): { readonly is?: MarkMatch; readonly isNot?: MarkMatch } {
  for (const statement of expr) {
    const match = field(statement, 'match')
    const [left, value, op] = [field(match, 'left'), field(match, 'right'), field(match, 'op')]
    const and = field(left, '&')
    const [key, mask] = Array.isArray(and) ? and : [left, ALL_BITS]
    if (field(field(key, 'meta'), 'key') !== 'mark') continue
    if (typeof mask !== 'number' || typeof value !== 'number') continue
    if (op === '==') return { is: { mask, value } }
    if (op === '!=') return { isNot: { mask, value } }
  }
  return {}
}

/** Of each statement that writes the mark of packets. */
const effectsOf = ({ expr, text }: RulesetRule): (MarkEffect | undefined)[] =>
  expr.flatMap((statement) => {
    const mangle = field(statement, 'mangle')
    if (field(field(field(mangle, 'key'), 'meta'), 'key') === 'mark')
      return [effectOf(field(mangle, 'value'))]
    // Of iptables: at best the name of a target, and the words that nft knows it by.
    if (!isRecord(statement) || !('xt' in statement)) return []
    const [, words] = /\bmeta mark set (.*)$/.exec(text ?? '') ?? []
    if (words !== undefined) return [/^0x[0-9a-f]+$/.test(words) ? effectOf(Number(words)) : undefined]
    return ['MARK', 'CONNMARK'].includes(String(field(field(statement, 'xt'), 'name'))) ? [undefined] : []
  })

const field = (value: Json | undefined, name: string): Json | undefined =>
  isRecord(value) ? value[name] : undefined

function effectOf(value: Json | undefined): MarkEffect {
  if (typeof value === 'number') return { sets: value, keeps: 0, isRestored: false }
  if (field(field(value, 'meta'), 'key') === 'mark') return { sets: 0, keeps: ALL_BITS, isRestored: false }
  if (field(field(value, 'ct'), 'key') === 'mark') return { ...UNKNOWN, isRestored: true }
  const and = field(value, '&')
  if (Array.isArray(and)) {
    const [one, other] = and.map(effectOf)
    return one === undefined || other === undefined ? UNKNOWN : conjunction(one, other)
  }
  const or = field(value, '|') ?? field(value, '^')
  if (Array.isArray(or))
    return or.map(effectOf).reduce((one, other) => ({
      sets: (one.sets | other.sets) >>> 0,
      keeps: (one.keeps | other.keeps) >>> 0,
      isRestored: one.isRestored || other.isRestored,
    }))
  return fromMap(field(field(field(value, 'map'), 'data'), 'set'))
}

/** One of two is a number, or nobody knows what comes of it. */
function conjunction(one: MarkEffect, other: MarkEffect): MarkEffect {
  const [mask, masked] = one.keeps === 0 && !one.isRestored ? [one.sets, other] : [other.sets, one]
  return {
    sets: (masked.sets & mask) >>> 0,
    keeps: (masked.keeps & mask) >>> 0,
    isRestored: masked.isRestored,
  }
}

/** Pairs of what is asked for and the mark that it gets. */
function fromMap(pairs: Json | undefined): MarkEffect {
  const marks = Array.isArray(pairs) ? pairs.map((pair) => (Array.isArray(pair) ? pair[1] : undefined)) : []
  if (marks.length === 0 || !marks.every((mark) => typeof mark === 'number')) return UNKNOWN
  return {
    sets: marks.reduce((all: number, mark: number) => (all | mark) >>> 0, 0),
    keeps: 0,
    isRestored: false,
  }
}
