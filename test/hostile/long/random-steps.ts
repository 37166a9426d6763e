import type { Random } from '../../fuzz/random.ts'
import type { Answer, Behaviour, Order, SealedRecord } from '../orders.ts'

/** For a while the service behaves like that, after these orders. */
export interface HostileStep {
  readonly behaviour: Behaviour
  readonly orders: readonly Order[]
  readonly milliseconds: number
}

const ANSWERS: readonly Answer[] = [
  'properly',
  'never',
  'one byte at a time',
  'by half',
  'with junk',
  'with farewells',
  'with many trailers',
  { status: 7, text: 'no '.repeat(1000) },
  { status: 8, text: 'too much' },
  { status: 14, text: 'not now' },
]
/** In hex: some that hosts have, some that none can have, some that are none. */
const ADDRESSES = [
  'c6336407',
  'c6120202',
  '00000000',
  'ffffffff',
  '7f000001',
  '010203',
  `fe80${'00'.repeat(14)}`,
]
const REDIRECTS = [
  '198.18.2.2:8080',
  '192.0.2.8:3100',
  '192.0.2.8:1',
  'dns:53',
  'unix:1',
  '[::1]:3000',
  'junk',
]
const STEP_MIN_MS = 1_000
const STEP_MAX_MS = 6_000

/** What a service may do that wants to do harm and does not know the cluster's secret. */
export function hostileStep(random: Random, records: readonly SealedRecord[]): HostileStep {
  const sometimes = <T>(percent: number, value: () => T): T | undefined =>
    random.below(100) < percent ? value() : undefined
  const ids = records.map(({ id }) => id)
  const someIds = (): readonly string[] => ids.filter(() => random.below(2) === 0)
  const behaviour: Behaviour = given({
    hello: sometimes(15, () => random.pick(ANSWERS)),
    update: sometimes(20, () => random.pick(ANSWERS)),
    watch: sometimes(20, () => random.pick(ANSWERS)),
    clientIp: sometimes(20, () => random.pick(ADDRESSES)),
    redirect: sometimes(10, () => random.pick(REDIRECTS)),
    swallows: sometimes(40, () => true),
    withholds: sometimes(30, () => (random.below(2) === 0 ? 'all' : someIds())),
    compresses: sometimes(10, () => true),
  })
  const anId = (): string => random.pick(ids)
  const junk = (): SealedRecord => ({
    id: random.pick([...ids, random.bytes(20).toString('hex'), 'x'.repeat(1 + random.below(300_000))]),
    data: random.bytes(random.below(2_000)).toString('base64'),
    endpoints: Array.from({ length: random.below(200) }, () => random.bytes(32).toString('base64')),
  })
  const mutated = (): Order => {
    const record = random.pick(records)
    const data = random.mutate(Buffer.from(record.data, 'base64')).toString('base64')
    return { do: 'say', records: [{ ...record, data }] }
  }
  const single: readonly (() => Order)[] = [
    () => ({ do: 'say deleted' }),
    () => ({ do: 'say deleted', ids: someIds() }),
    () => ({ do: 'say present', ids: someIds() }),
    () => ({ do: 'replay', id: anId(), place: 0 }),
    () => ({ do: 'say swapped' }),
    () => ({ do: 'end watches' }),
    () => ({ do: 'say', records: [junk()] }),
    mutated,
    () => ({ do: 'say bytes', bytes: random.bytes(random.below(5_000)).toString('base64') }),
    () => ({ do: 'say empty', records: random.pick([1, 1_000, 100_000, 10_000_000]) }),
    () => ({ do: 'say', records: [{ ...random.pick(records), id: anId() }] }),
  ]
  const order = (): Order => random.pick(single)()
  const orders: Order[] = Array.from({ length: 1 + random.below(3) }, order)
  const repeated = sometimes(40, (): Order => {
    const these = Array.from({ length: 1 + random.below(3) }, order)
    // A huge message is enough trouble once.
    const small = these.filter((one) => one.do !== 'say empty')
    return {
      do: 'repeat',
      orders: small.length > 0 ? small : [{ do: 'say present' }],
      everyMilliseconds: random.pick([10, 50, 200]),
      atOnce: random.pick([1, 1, 10]),
    }
  })
  return {
    behaviour,
    orders: [{ do: 'stop repeating' }, { do: 'end watches' }, ...orders, ...(repeated ? [repeated] : [])],
    milliseconds: STEP_MIN_MS + random.below(STEP_MAX_MS - STEP_MIN_MS),
  }
}

/** Without what is undefined. */
const given = (parts: { readonly [K in keyof Behaviour]: Behaviour[K] | undefined }): Behaviour =>
  Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined))
