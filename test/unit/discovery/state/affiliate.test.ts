import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Affiliate,
  type AffiliateUpdate,
  sweepAffiliate,
  type UpdateRefusal,
  updateAffiliate,
} from '../../../../discovery/state/affiliate.ts'

const bytesOf = (text: string): Buffer => Buffer.from(text)

const update = (expiresAt: number, data?: string, ...endpoints: string[]): AffiliateUpdate => ({
  data: data === undefined ? undefined : bytesOf(data),
  endpoints: endpoints.map(bytesOf),
  expiresAt,
})

/** `until data: endpoint@until …` */
const show = (affiliate: Affiliate | undefined): string =>
  affiliate === undefined
    ? 'gone'
    : [
        `${affiliate.expiresAt} ${affiliate.data}:`,
        ...affiliate.endpoints.map(({ bytes, expiresAt }) => `${bytes}@${expiresAt}`),
      ].join(' ')

function made(result: Affiliate | UpdateRefusal): Affiliate {
  assert.ok(typeof result !== 'string', String(result))
  return result
}

const after = (...updates: AffiliateUpdate[]): Affiliate | undefined => {
  let affiliate: Affiliate | undefined
  for (const each of updates) affiliate = made(updateAffiliate('node', affiliate, each))
  return affiliate
}

const cases: { name: string; updates: AffiliateUpdate[]; want: string }[] = [
  { name: 'a new one has what it came with', updates: [update(10, 'a', 'x', 'y')], want: '10 a: x@10 y@10' },
  { name: 'a new one needs no data', updates: [update(10, undefined, 'x')], want: '10 : x@10' },
  { name: 'data replaces data', updates: [update(10, 'a'), update(20, 'b')], want: '20 b:' },
  { name: 'data may shorten the life', updates: [update(20, 'a'), update(10, 'b')], want: '10 b:' },
  { name: 'the same data may shorten it, too', updates: [update(20, 'a'), update(10, 'a')], want: '10 a:' },
  { name: 'without data life is only prolonged', updates: [update(20, 'a'), update(10)], want: '20 a:' },
  { name: 'without data life is prolonged', updates: [update(10, 'a'), update(20)], want: '20 a:' },
  { name: 'empty data is no data', updates: [update(20, 'a'), update(10, '')], want: '20 a:' },
  {
    name: 'endpoints add up in order',
    updates: [update(10, 'a', 'y'), update(10, undefined, 'x', 'y', 'z')],
    want: '10 a: y@10 x@10 z@10',
  },
  {
    name: 'a known endpoint only lives longer',
    updates: [update(20, 'a', 'x', 'y'), update(10, 'a', 'x'), update(30, 'a', 'y')],
    want: '30 a: x@20 y@30',
  },
  { name: 'one endpoint twice is one', updates: [update(10, 'a', 'x', 'x')], want: '10 a: x@10' },
]
for (const { name, updates, want } of cases) test(name, () => assert.equal(show(after(...updates)), want))

test('what changes nothing but expirations keeps the encoded form', () => {
  const first = after(update(10, 'a', 'x', 'y'))
  for (const same of [update(20, 'a', 'y', 'x'), update(20, 'a'), update(20), update(20, undefined, 'y')])
    assert.equal(made(updateAffiliate('node', first, same)).encoded, first?.encoded)
  for (const other of [update(20, 'b'), update(20, 'a', 'z')])
    assert.notEqual(made(updateAffiliate('node', first, other)).encoded, first?.encoded)
})

test('nothing counts of an update that names too many endpoints (S3), be they there or not', () => {
  const many = Array.from({ length: 64 }, (_, index) => `e${index}`)
  const full = after(update(10, 'a', ...many))
  assert.equal(full?.endpoints.length, 64)
  assert.equal(updateAffiliate('node', full, update(20, 'b', ...many, 'one more')), 'endpoints')
  assert.equal(updateAffiliate('node', undefined, update(20, 'b', ...many, 'one more')), 'endpoints')
  const refreshed = made(updateAffiliate('node', full, update(20, 'b', ...many)))
  assert.equal(refreshed?.endpoints.length, 64)
})

test('where the owner names new endpoints, of its earlier ones those go that are over first', () => {
  const early = Array.from({ length: 32 }, (_, index) => `early${index}`)
  const late = Array.from({ length: 32 }, (_, index) => `late${index}`)
  const left = after(update(10, 'a', ...early), update(20, 'a', ...late), update(15, 'a', 'new', 'early3'))
  const endpoints = left?.endpoints.map(({ bytes }) => String(bytes)) ?? []
  assert.equal(endpoints.length, 64)
  assert.deepEqual(
    early.filter((each) => !endpoints.includes(each)),
    ['early31'],
  )
  assert.deepEqual(endpoints.slice(-1), ['new'])
})

const sweeps: { now: number; want: string; why: string }[] = [
  { now: 9, want: '20 a: x@10 y@20', why: 'nothing is over' },
  { now: 10, want: '20 a: y@20', why: 'an endpoint is gone at its expiration' },
  { now: 20, want: '20 a:', why: 'the affiliate lives up to and including its own' },
  { now: 20.001, want: 'gone', why: 'then it is over' },
]
for (const { now, want, why } of sweeps)
  test(`swept at ${now}: ${why}`, () => {
    const affiliate = after(update(10, undefined, 'x'), update(20, 'a', 'y')) as Affiliate
    const left = sweepAffiliate(affiliate, now)
    assert.equal(show(left), want)
    if (now === 9) assert.equal(left, affiliate)
    else assert.notEqual(left?.encoded, affiliate.encoded)
  })
