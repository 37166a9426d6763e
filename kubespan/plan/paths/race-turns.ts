import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { type Address, type AddressPort, splitAddressPort } from '../../../shared/net/address.ts'
import type { PublicKey } from '../../model/peer.ts'
import type { Race } from './race.ts'

export interface TurnSettings {
  readonly concurrentRaces: number
  /** A race that others wait for ends after this long: the kernel has then sent two initiations. */
  readonly turn: Milliseconds
  /** The pause after the first lost race; it doubles with each up to the cap. */
  readonly rest: Milliseconds
  readonly restCap: Milliseconds
}

/** What is remembered of a peer that lost races. */
export interface Rest {
  readonly lost: number
  readonly until: Instant
  /** Where the kernel calls it meanwhile. */
  readonly endpoint?: AddressPort | undefined
}

type Rests = ReadonlyMap<PublicKey, Rest>

interface Waiting {
  readonly publicKey: PublicKey
  readonly state: 'up' | 'suspect' | 'down'
}

export const restAfter = (lost: number, { rest, restCap }: TurnSettings): Milliseconds =>
  Math.min(restCap, rest * 2 ** (lost - 1))

export const isRested = ({ publicKey, state }: Waiting, rests: Rests, now: Instant): boolean =>
  state === 'suspect' || (rests.get(publicKey)?.until ?? now) <= now

export function compareUrgency(a: Waiting, b: Waiting, rests: Rests): number {
  const suspicion = Number(b.state === 'suspect') - Number(a.state === 'suspect')
  const [left, right] = [rests.get(a.publicKey), rests.get(b.publicKey)]
  return suspicion || (left?.lost ?? 0) - (right?.lost ?? 0) || (left?.until ?? 0) - (right?.until ?? 0)
}

/** How many peers that rest the kernel calls at each address. */
export function callsOf(rests: Rests, races: ReadonlyMap<PublicKey, unknown>): ReadonlyMap<Address, number> {
  const calls = new Map<Address, number>()
  for (const [key, { endpoint }] of rests) {
    if (endpoint === undefined || races.has(key)) continue
    const { address } = splitAddressPort(endpoint)
    calls.set(address, (calls.get(address) ?? 0) + 1)
  }
  return calls
}

/** The longest running races, as many as peers wait without a place and as have had their turn. */
export function outOfTurn(
  races: ReadonlyMap<PublicKey, Race>,
  waiting: number,
  now: Instant,
  { concurrentRaces, turn }: TurnSettings,
): readonly Race[] {
  const short = Math.max(0, waiting - (concurrentRaces - races.size))
  return [...races.values()]
    .filter(({ startedAt }) => now - startedAt >= turn)
    .sort((a, b) => a.startedAt - b.startedAt)
    .slice(0, short)
}
