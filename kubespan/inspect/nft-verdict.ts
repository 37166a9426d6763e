import {
  isRecord,
  type Json,
  listOf,
  type Ruleset,
  type RulesetChain,
  type RulesetRule,
} from '../model/nft-ruleset.ts'
import {
  all,
  isKey,
  matches,
  matchesExtension,
  type Place,
  type TestPacket,
  type Truth,
} from './nft-match.ts'

/** What becomes of a packet in one chain that packets come to by themselves, and the chains that it leads to. */
export interface ChainVerdict {
  /**
   * `open`: nothing drops it. `closed`: it is dropped, whoever sends it. `partly`: it depends on who sends it, or on rules that
   * cannot be judged from here.
   */
  readonly verdict: 'open' | 'closed' | 'partly'
  /** By what it is dropped: the policy, or a rule of this chain. */
  readonly by: { readonly chain: string; readonly isPolicy: boolean; readonly isReject: boolean } | undefined
}

type Blame = NonNullable<ChainVerdict['by']>

/** What may happen to it in a chain. */
interface Outcome {
  mayAccept: boolean
  drop: Blame | undefined
  /** Whether it may come out at the end, or return. */
  mayGoOn: boolean
}

/** Chains call chains, though not in circles. */
const DEPTH_MAX = 16

export function judgeChain(ruleset: Ruleset, chain: RulesetChain, packet: TestPacket): ChainVerdict {
  const outcome = new Walk(ruleset, packet).through(chain, 0)
  const byPolicy = outcome.mayGoOn && chain.policy === 'drop'
  const by = outcome.drop ?? (byPolicy ? { chain: chain.name, isPolicy: true, isReject: false } : undefined)
  if (by === undefined) return { verdict: 'open', by }
  const mayPass = outcome.mayAccept || (outcome.mayGoOn && !byPolicy)
  return { verdict: mayPass ? 'partly' : 'closed', by }
}

class Walk {
  readonly #ruleset: Ruleset
  readonly #packet: TestPacket
  readonly #known = new Map<RulesetChain, Outcome>()

  constructor(ruleset: Ruleset, packet: TestPacket) {
    this.#ruleset = ruleset
    this.#packet = packet
  }

  /** A chain that many call is walked once. */
  through(chain: RulesetChain, depth: number): Outcome {
    const known = this.#known.get(chain) ?? this.#walk(chain, depth)
    this.#known.set(chain, known)
    return known
  }

  #walk(chain: RulesetChain, depth: number): Outcome {
    const outcome: Outcome = { mayAccept: false, drop: undefined, mayGoOn: false }
    for (const rule of chain.rules)
      if (this.#apply(rule, { chain, depth, outcome }) === 'ends') return outcome
    outcome.mayGoOn = true
    return outcome
  }

  /** Whether the way of the packet through this chain ends with the rule for sure. */
  #apply(
    rule: RulesetRule,
    at: { chain: RulesetChain; depth: number; outcome: Outcome },
  ): 'ends' | undefined {
    const place: Place = {
      sets: this.#ruleset.sets,
      table: `${at.chain.family} ${at.chain.table}`,
    }
    let truth: Truth = 'yes'
    for (const statement of rule.expr) {
      const [[kind = '', of = null] = []] = isRecord(statement) ? Object.entries(statement) : []
      if (kind === 'vmap') {
        if (this.#branch(of, truth, at, place) === 'ends') return 'ends'
        continue
      }
      if (kind === 'xt' && !(isRecord(of) && of.type === 'target')) {
        truth = all(truth, matchesExtension(isRecord(of) ? of.name : undefined, rule, this.#packet))
      } else if (kind === 'match' && isRecord(of)) {
        truth = all(truth, matches(of, this.#packet, place))
      } else if (isExceeded(kind, of)) truth = 'no'
      else if (this.#act(verdictOf(kind, of), truth, at) === 'ends') return 'ends'
      if (truth === 'no') return undefined
    }
    return undefined
  }

  #branch(
    of: Json,
    truth: Truth,
    at: { chain: RulesetChain; depth: number; outcome: Outcome },
    place: Place,
  ): 'ends' | undefined {
    if (!isRecord(of) || of.key === undefined) return undefined
    const { data } = of
    const pairs =
      typeof data === 'string'
        ? (place.sets.get(`${place.table} ${data.slice(1)}`) ?? [])
        : listOf(isRecord(data) ? data.set : undefined)
    for (const pair of pairs) {
      const [key, verdict] = listOf(pair)
      const [[kind = '', target = null] = []] = isRecord(verdict) ? Object.entries(verdict) : []
      const matched = all(truth, isKey(of.key, key, this.#packet, place))
      if (matched !== 'no' && this.#act(verdictOf(kind, target), matched, at) === 'ends') return 'ends'
      // Each key is there once.
      if (matched === 'yes') return undefined
    }
    return undefined
  }

  #act(
    verdict: Verdict | undefined,
    truth: Truth,
    { chain, depth, outcome }: { chain: RulesetChain; depth: number; outcome: Outcome },
  ): 'ends' | undefined {
    if (verdict === undefined || truth === 'no') return undefined
    const isSure = truth === 'yes'
    switch (verdict.kind) {
      case 'accept':
        outcome.mayAccept = true
        return isSure ? 'ends' : undefined
      case 'drop':
      case 'reject':
        // Who is on a list of the unwanted is no member.
        if (truth !== 'some')
          outcome.drop ??= { chain: chain.name, isPolicy: false, isReject: verdict.kind === 'reject' }
        return isSure ? 'ends' : undefined
      case 'return':
        outcome.mayGoOn = true
        return isSure ? 'ends' : undefined
      case 'other':
        outcome.mayAccept = true
        outcome.drop ??= { chain: chain.name, isPolicy: false, isReject: false }
        return isSure ? 'ends' : undefined
      default:
        return this.#call(verdict, truth, { chain, depth, outcome })
    }
  }

  #call(
    { kind, target }: Verdict,
    truth: Truth,
    { chain, depth, outcome }: { chain: RulesetChain; depth: number; outcome: Outcome },
  ): 'ends' | undefined {
    const called = this.#ruleset.chains.find(
      ({ family, table, name }) => family === chain.family && table === chain.table && name === target,
    )
    if (called === undefined || depth === DEPTH_MAX) return undefined
    const inner = this.through(called, depth + 1)
    outcome.mayAccept ||= inner.mayAccept
    if (truth !== 'some') outcome.drop ??= inner.drop
    if (truth !== 'yes') return undefined
    // Who comes back from a goto goes on where this chain was called.
    if (kind === 'goto') outcome.mayGoOn ||= inner.mayGoOn
    return kind === 'goto' || !inner.mayGoOn ? 'ends' : undefined
  }
}

interface Verdict {
  readonly kind: 'accept' | 'drop' | 'reject' | 'return' | 'jump' | 'goto' | 'other'
  readonly target?: string
}

function verdictOf(kind: string, of: Json): Verdict | undefined {
  if (kind === 'accept' || kind === 'drop' || kind === 'reject' || kind === 'return') return { kind }
  if (kind === 'jump' || kind === 'goto')
    return { kind, target: isRecord(of) && typeof of.target === 'string' ? of.target : '' }
  if (kind === 'queue') return { kind: 'other' }
  if (kind !== 'xt' || !isRecord(of) || of.type !== 'target') return undefined
  if (of.name === 'REJECT') return { kind: 'reject' }
  return XT_GOES_ON.has(String(of.name)) ? undefined : { kind: 'other' }
}

/** Targets of iptables after which a packet goes on to the next rule. */
const XT_GOES_ON = new Set([
  'LOG',
  'NFLOG',
  'MARK',
  'CONNMARK',
  'TCPMSS',
  'SET',
  'TOS',
  'DSCP',
  'CT',
  'CHECKSUM',
])

/** Limits that are meant for floods: one packet is none. */
const isExceeded = (kind: string, of: Json): boolean =>
  (kind === 'limit' || kind === 'quota' || kind === 'ct count' || kind === 'set') &&
  JSON.stringify(of).includes('"inv":true')
