import { isRecord, type Json, type Ruleset, type RulesetRule } from './nft-ruleset.ts'

/** A rule of nft, whoever's, that writes the mark of packets. */
export interface MarkRule {
  readonly family: string
  readonly table: string
  readonly chain: string
  /** Undefined for a chain that is only jumped to. */
  readonly hook: string | undefined
  readonly priority: number | undefined
  /** What becomes of the mark; undefined where nft does not show it. */
  readonly effect: MarkEffect | undefined
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

/** All of a ruleset, ours among them. */
export const markRules = ({ chains }: Ruleset): MarkRule[] =>
  chains.flatMap(({ family, table, name: chain, hook, priority, rules }) =>
    rules.flatMap(effectsOf).map((effect): MarkRule => ({ family, table, chain, hook, priority, effect })),
  )

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
