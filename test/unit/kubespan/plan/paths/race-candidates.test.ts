import assert from 'node:assert/strict'
import { test } from 'node:test'
import { candidatesFor, candidatesOfRound } from '../../../../../kubespan/plan/paths/race-candidates.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const ranked = (...endpoints: string[]): RankedEndpoint[] =>
  endpoints.map((endpoint, rank) => ({ endpoint: endpoint as AddressPort, class: 'public IPv4', rank }))
const many = (count: number, of: (index: number) => string): RankedEndpoint[] =>
  ranked(...Array.from({ length: count }, (_, index) => of(index)))

test('an honest node has all its candidates in its first race, and mostly in the later ones', () => {
  const honest = ranked('10.0.0.1:51820', '192.0.2.1:51820', '192.0.2.1:40000', '[2001:db8::1]:51820')
  for (const lost of [0, 1, 7]) assert.equal(candidatesFor(honest, lost), honest)
  const natted = many(8, (port) => `192.0.2.1:${port + 1}`)
  assert.equal(candidatesFor(natted, 0), natted)
})

test('one race has 16 candidates, 8 at one address; after a loss 8, 2 at one address', () => {
  const spread = many(64, (index) => `192.0.2.${index}:1`)
  const heaped = many(64, (index) => `192.0.2.1:${index + 1}`)
  assert.deepEqual(
    [spread, heaped].map((all) => [0, 1, 9].map((lost) => candidatesFor(all, lost).length)),
    [
      [16, 8, 8],
      [8, 2, 2],
    ],
  )
})

test('whatever is too many has its turn, in the order of preference and never without the best', () => {
  const all = many(64, (index) => `192.0.2.${index}:1`)
  const tried = new Set<RankedEndpoint>()
  for (let lost = 0; lost < 40; lost++) {
    const chosen = candidatesFor(all, lost)
    assert.equal(chosen[0], all[0])
    assert.deepEqual(
      chosen,
      chosen.toSorted((a, b) => a.rank - b.rank),
    )
    for (const one of chosen) tried.add(one)
  }
  assert.equal(tried.size, 64)
})

test('where candidates are tried one after the other, rounds get shorter as well', () => {
  const heaped = many(64, (index) => `192.0.2.1:${index + 1}`)
  const lengths = [undefined, 6, 7, 100].map(
    (turn) => candidatesOfRound(heaped, turn === undefined ? undefined : { turn, nextAt: 0 }).length,
  )
  assert.deepEqual(lengths, [8, 8, 2, 2])
})
