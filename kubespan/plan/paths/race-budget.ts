import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { Address } from '../../../shared/net/address.ts'
import { type BudgetSettings, fullBudget, nextTokenAt, type PacketBudget, refill } from './packet-budget.ts'

/** How many copies may be sent: in all, and to each address, over all races together. */
export interface RaceBudget {
  readonly all: PacketBudget
  /** Of addresses that something was sent to lately. */
  readonly addresses: ReadonlyMap<Address, PacketBudget>
}

/**
 * Members say where they are, so one that lies has every node of the mesh send to somebody who is none. An address gets few packets,
 * and more only for peers that come up there: of a thousand nodes behind one NAT the first find their way at once, and earn it for the others.
 */
export interface AddressBudgetSettings extends BudgetSettings {
  readonly perWin: number
  /** What may be saved up by wins. */
  readonly most: number
  /** What a kernel sends by itself to a peer that rests between races. */
  readonly callsPerSecond: number
}

export interface RaceBudgetSettings extends BudgetSettings {
  readonly perAddress: AddressBudgetSettings
  /** After so long without anybody coming up `vainPacketsPerSecond` is the rate. */
  readonly vainAfter: Milliseconds
  readonly vainPacketsPerSecond: number
}

/** What takes from the budgets besides copies. */
export interface RaceLoad {
  /** How many peers at rest the kernel calls at each address. */
  readonly calls: ReadonlyMap<Address, number>
  /** Since when races are run and nobody has come up. */
  readonly vainSince: Instant | undefined
}

export const NO_LOAD: RaceLoad = { calls: new Map(), vainSince: undefined }

/** A copy that is due. `served`: how many its race has sent before it. */
export interface WantedCopy {
  readonly address: Address
  readonly at: Instant
  readonly served: number
}

export interface Allowance<T> {
  readonly budget: RaceBudget
  /** In order of time. */
  readonly allowed: readonly T[]
  /** When more of what is wanted may be sent; undefined when all was. */
  readonly nextAt: Instant | undefined
}

export const fullRaceBudget = (settings: BudgetSettings, now: Instant): RaceBudget => ({
  all: fullBudget(settings, now),
  addresses: new Map(),
})

/** Somebody came up there. */
export function earnAt(
  budget: RaceBudget,
  won: readonly Address[],
  { perAddress }: RaceBudgetSettings,
  now: Instant,
): RaceBudget {
  if (won.length === 0) return budget
  const addresses = new Map(budget.addresses)
  for (const address of won) {
    const { tokens, at } = addresses.get(address) ?? fullBudget(perAddress, now)
    addresses.set(address, { tokens: Math.min(perAddress.most, tokens + perAddress.perWin), at })
  }
  return { ...budget, addresses }
}

/** Chooses what may be sent now: to each address for those first that have sent the least, over all the longest due first. */
export function allow<T extends WantedCopy>(
  wanted: readonly T[],
  budget: RaceBudget,
  now: Instant,
  settings: RaceBudgetSettings,
  { calls, vainSince }: RaceLoad,
): Allowance<T> {
  const inAll = vainSince !== undefined && now - vainSince >= settings.vainAfter ? inVain(settings) : settings
  const all = refill(budget.all, inAll, now)
  const addresses = new Map(
    [...budget.addresses]
      .map(([address, bucket]) => [address, earned(bucket, rateAt(address, settings, calls), now)] as const)
      .filter(([, { tokens }]) => tokens !== settings.perAddress.burst),
  )
  const within = new Set(
    [...Map.groupBy(wanted, ({ address }) => address)].flatMap(([address, copies]) => {
      const { tokens } = addresses.get(address) ?? fullBudget(settings.perAddress, now)
      const most = whole(tokens)
      return copies.length <= most ? copies : copies.toSorted(byServed).slice(0, most)
    }),
  )
  const allowed = wanted
    .filter((copy) => within.has(copy))
    .sort(byTime)
    .slice(0, whole(all.tokens))
  for (const { address } of allowed) {
    const { tokens, at } = addresses.get(address) ?? fullBudget(settings.perAddress, now)
    addresses.set(address, { tokens: tokens - 1, at })
  }
  const left = { all: { ...all, tokens: all.tokens - allowed.length }, addresses }
  return { budget: left, allowed, nextAt: nextAt() }

  function nextAt(): Instant | undefined {
    if (allowed.length === wanted.length) return undefined
    const sent = new Set(allowed)
    const waiting = new Set(wanted.filter((copy) => !sent.has(copy)).map(({ address }) => address))
    const soonest = Math.min(
      ...Array.from(waiting, (address) => {
        const bucket = addresses.get(address)
        return bucket === undefined ? now : nextTokenAt(bucket, rateAt(address, settings, calls))
      }),
    )
    return Math.max(soonest, nextTokenAt(left.all, inAll))
  }
}

const inVain = ({ packetsPerSecond, burst, vainPacketsPerSecond: rate }: RaceBudgetSettings) => ({
  packetsPerSecond: Math.min(packetsPerSecond, rate),
  burst: Math.min(burst, rate),
})

/** What the kernel sends there is taken off. */
function rateAt(
  address: Address,
  { perAddress }: RaceBudgetSettings,
  calls: RaceLoad['calls'],
): BudgetSettings {
  const called = (calls.get(address) ?? 0) * perAddress.callsPerSecond
  return { ...perAddress, packetsPerSecond: Math.max(1, perAddress.packetsPerSecond - called) }
}

/** What was saved up beyond the burst stays until it is spent. */
const earned = (bucket: PacketBudget, settings: BudgetSettings, now: Instant): PacketBudget =>
  bucket.tokens > settings.burst ? { ...bucket, at: Math.max(now, bucket.at) } : refill(bucket, settings, now)

/** Sums of fractions may fall short by a hair of what they are to be. */
const whole = (tokens: number): number => Math.floor(tokens + 1e-6)

const byTime = (a: WantedCopy, b: WantedCopy): number => a.at - b.at
const byServed = (a: WantedCopy, b: WantedCopy): number => a.served - b.served || a.at - b.at
