import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { AffiliateUpdate } from '../../../discovery/state/affiliate.ts'
import type { Affiliates, Change, ChangeSink } from '../../../discovery/state/clusters.ts'
import { clusterHash } from '../../../discovery/store/cluster-hash.ts'
import type { Store, StoreDirectory } from '../../../discovery/store/store.ts'
import type { Refusal } from '../../../discovery/validation/refusal.ts'
import { fullLine, StateModel } from '../state-model.ts'

/** A store and what a test may do to it besides asking. */
export interface StoreWorld extends AsyncDisposable {
  readonly store: Store & StoreDirectory
  /** No sweep takes away what expires later than this, whatever the time: histories are told in instants from here on. */
  readonly base: number
  sweep(now: number): Promise<void>
}

export interface SuiteOptions {
  readonly name: string
  readonly open: (changes: ChangeSink) => Promise<StoreWorld>
  readonly histories: number
}

export class Changes implements ChangeSink {
  #seen: { readonly clusterId: string; readonly line: string }[] = []

  changed(clusterId: string, affiliateId: string, change: Change): void {
    this.#seen.push({ clusterId, line: `${affiliateId} ${change}` })
  }

  /** Of one cluster; those of others are forgotten. */
  take(clusterId: string): string[] {
    const seen = this.#seen
    this.#seen = []
    return seen.filter((each) => each.clusterId === clusterId).map(({ line }) => line)
  }
}

export const admitAll = (): undefined => undefined
export const newId = (): string => randomBytes(9).toString('base64')
export const manyEndpoints = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `n${index}`)

/** What every store does, whatever it keeps clusters in. */
export function testStore({ name, open, histories }: SuiteOptions): void {
  describe(name, () => {
    const changes = new Changes()
    let world: StoreWorld
    before(async () => {
      world = await open(changes)
    })
    after(() => world[Symbol.asyncDispose]())

    const update = (ttl: number, data = '', ...endpoints: readonly string[]): AffiliateUpdate => ({
      data: Buffer.from(data),
      endpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
      expiresAt: world.base + ttl,
      receivedAt: world.base,
    })
    const put = async (
      cluster: string,
      id: string,
      ttl: number,
      data = '',
      ...endpoints: readonly string[]
    ) => await world.store.update(cluster, id, update(ttl, data, ...endpoints), admitAll)
    const list = async (cluster: string): Promise<Affiliates> => found(await world.store.list(cluster))
    const told = async (cluster: string): Promise<string[]> => {
      // Who follows is told of all that was answered before.
      assert.equal(await world.store.follow(cluster), undefined)
      return changes.take(cluster)
    }
    const follow = async (cluster: string): Promise<void> => {
      assert.equal(await world.store.follow(cluster), undefined)
      await told(cluster)
    }

    test('any history leads to what the model says, and what is held is the same', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30, size: 'max' }), async (history) => {
          const names = new Map([
            ['c', newId()],
            ['d', newId()],
          ])
          const model = new StateModel()
          const nameOf = (cluster: string): string => names.get(cluster) as string
          await follow(nameOf('c'))
          let now = 0
          for (const each of history) {
            if (each.kind === 'pass') now += each.by
            else if (each.kind === 'sweep') {
              await world.sweep(world.base + now)
              model.sweep(now)
            } else if (each.kind === 'delete')
              assert.equal(
                await world.store.delete(nameOf(each.cluster), each.affiliate),
                model.delete(each.cluster, each.affiliate),
              )
            else {
              const { data, endpoints, ttl } = each
              const refusal = await put(nameOf(each.cluster), each.affiliate, now + ttl, data, ...endpoints)
              const answer = model.update(each.cluster, each.affiliate, { data, endpoints, until: now + ttl })
              assert.equal(refusal?.kind === 'full' ? refusal.what : (refusal?.kind ?? 'ok'), answer)
            }
          }
          await told(nameOf('c'))
          for (const cluster of ['c', 'd']) {
            const affiliates = await list(nameOf(cluster))
            assert.deepEqual(fullOf(cluster, affiliates, world.base), linesOf(model, cluster))
            if (cluster === 'd') await follow(nameOf('d'))
            const held = viewOf(world.store.held(nameOf(cluster)))
            assert.deepEqual(held, viewOf(affiliates))
          }
        }),
        { numRuns: histories },
      )
    })

    test('changes are told, refreshes are not (S2)', async () => {
      const cluster = newId()
      await follow(cluster)
      await put(cluster, 'a', 10, 'x')
      await put(cluster, 'a', 20, 'x')
      await put(cluster, 'a', 20, 'y')
      await put(cluster, 'a', 20, 'y', 'e')
      await put(cluster, 'a', 30, 'y', 'e')
      await world.store.delete(cluster, 'a')
      assert.deepEqual(await told(cluster), ['a created', 'a updated', 'a updated', 'a deleted'])
    })

    test('looking creates nothing (S10), deleting neither', async () => {
      const cluster = newId()
      assert.equal((await list(cluster)).size, 0)
      assert.equal(await world.store.delete(cluster, 'a'), false)
      assert.equal(await world.store.forget(clusterHash(cluster), undefined), 0)
      const asked: string[] = []
      const admit = (): undefined => void asked.push('asked')
      await world.store.update(cluster, 'a', update(10), admit)
      await world.store.update(cluster, 'b', update(10), admit)
      assert.deepEqual(asked, ['asked'])
    })

    test('a cluster that is not admitted is not made, and one that is there is not asked about', async () => {
      const cluster = newId()
      const refusal: Refusal = { kind: 'crowded', what: 'no' }
      assert.deepEqual(await world.store.update(cluster, 'a', update(10), () => refusal), refusal)
      assert.equal((await list(cluster)).size, 0)
      await put(cluster, 'a', 10)
      assert.equal(await world.store.update(cluster, 'b', update(10), () => refusal), undefined)
      const late = async (): Promise<Refusal | undefined> => refusal
      assert.deepEqual(await world.store.update(newId(), 'a', update(10), late), refusal)
      const allowed = async (): Promise<undefined> => undefined
      assert.equal(await world.store.update(newId(), 'a', update(10), allowed), undefined)
    })

    test('a cluster holds 1024 affiliates, a further one is refused and leaves no trace', async () => {
      const cluster = newId()
      const answers = await Promise.all(
        Array.from({ length: 1024 }, (_, index) => put(cluster, `a${index}`, 10)),
      )
      assert.ok(answers.every((answer) => answer === undefined))
      assert.deepEqual(await put(cluster, 'more', 10), { kind: 'full', what: 'affiliates' })
      assert.equal((await list(cluster)).size, 1024)
      assert.equal(await put(cluster, 'a7', 10, 'x'), undefined)
    })

    test('too many endpoints are refused, and nothing happens (S3)', async () => {
      const cluster = newId()
      await follow(cluster)
      const many = manyEndpoints(65)
      assert.deepEqual(await put(cluster, 'a', 10, 'x', ...many), { kind: 'full', what: 'endpoints' })
      assert.equal((await list(cluster)).size, 0)
      await put(cluster, 'a', 10, 'x', ...manyEndpoints(64))
      assert.deepEqual(await put(cluster, 'a', 10, 'y', ...many), { kind: 'full', what: 'endpoints' })
      assert.deepEqual(await put(cluster, 'a', 10, '', ...many), { kind: 'full', what: 'endpoints' })
      assert.equal(String((await list(cluster)).get('a')?.data), 'x')
      assert.deepEqual(await told(cluster), ['a created'])
    })

    test('a sweep tells of lost endpoints as an update (S1), of lost affiliates as a deletion', async () => {
      const cluster = newId()
      await follow(cluster)
      await put(cluster, 'a', 10, '', 'e', 'f')
      await put(cluster, 'a', 30, '', 'f')
      await put(cluster, 'b', 20, 'x', 'e')
      await told(cluster)
      await world.sweep(world.base + 5)
      assert.deepEqual(await told(cluster), [])
      await world.sweep(world.base + 10)
      assert.deepEqual(await told(cluster), ['a updated'])
      await world.sweep(world.base + 25)
      assert.deepEqual(await told(cluster), ['b deleted'])
      await world.sweep(world.base + 30)
      assert.deepEqual(await told(cluster), ['a updated'])
      await world.sweep(world.base + 31)
      assert.deepEqual(await told(cluster), ['a deleted'])
      assert.equal((await list(cluster)).size, 0)
    })

    test('updates at the same time all count', async () => {
      const cluster = newId()
      await Promise.all(
        manyEndpoints(24).map((endpoint, index) => put(cluster, `a${index % 3}`, 10, 'x', endpoint)),
      )
      const endpoints = [...(await list(cluster)).values()].flatMap((affiliate) => affiliate.endpoints)
      assert.deepEqual(endpoints.map(({ bytes }) => String(bytes)).sort(), manyEndpoints(24).sort())
    })

    test('operators see clusters by hash, and may forget', async () => {
      const cluster = newId()
      const hash = clusterHash(cluster)
      await follow(cluster)
      await put(cluster, 'a', 10, 'x', 'e')
      await put(cluster, 'b', 10)
      const summaries = await world.store.summaries()
      assert.ok(!('kind' in summaries))
      assert.deepEqual(
        summaries.filter((summary) => summary.hash === hash),
        [{ hash, affiliates: 2, endpoints: 1 }],
      )
      assert.deepEqual([...found(await world.store.affiliatesOf(hash)).keys()].sort(), ['a', 'b'])
      assert.equal(found(await world.store.affiliatesOf(clusterHash('none'))).size, 0)
      assert.equal(await world.store.forget(hash, 'none'), 0)
      assert.equal(await world.store.forget(hash, 'a'), 1)
      await put(cluster, 'a', 10)
      assert.equal(await world.store.forget(hash, undefined), 2)
      assert.deepEqual((await told(cluster)).sort(), [
        'a created',
        'a created',
        'a deleted',
        'a deleted',
        'b created',
        'b deleted',
      ])
      assert.equal((await list(cluster)).size, 0)
    })
  })
}

/** Few names and short times, so that histories meet each other. */
const cluster = fc.constantFrom('c', 'd')
const affiliate = fc.constantFrom('a', 'b', 'e')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      cluster,
      affiliate,
      data: fc.constantFrom('', 'x', 'y'),
      endpoints: fc.oneof<fc.WeightedArbitrary<string[]>[]>(
        { weight: 9, arbitrary: fc.array(fc.constantFrom<string[]>('p', 'q', 'r'), { maxLength: 4 }) },
        { weight: 1, arbitrary: fc.nat(70).map(manyEndpoints) },
      ),
      ttl: fc.integer({ min: -1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), cluster, affiliate }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), by: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
)

export function found(affiliates: Affiliates | Refusal): Affiliates {
  assert.ok(!('kind' in affiliates), JSON.stringify(affiliates))
  return affiliates
}

/** All that is stored of a cluster, as `StateModel.full` says it. */
const fullOf = (cluster: string, affiliates: Affiliates, base: number): string[] =>
  affiliates.size === 0
    ? []
    : [
        cluster,
        ...Array.from(affiliates.values(), ({ id, data, expiresAt, endpoints }) =>
          fullLine(
            id,
            String(data),
            expiresAt - base,
            endpoints.map(({ bytes, expiresAt: end }) => [String(bytes), end - base] as const),
          ),
        ).sort(),
      ]

/** What a client can see. */
const viewOf = (affiliates: Affiliates): string[] =>
  Array.from(affiliates.values(), ({ encoded }) => encoded.toString('hex')).sort()

const linesOf = (model: StateModel, cluster: string): string[] => {
  const only = new StateModel()
  const affiliates = model.clusters.get(cluster)
  if (affiliates !== undefined) only.clusters.set(cluster, affiliates)
  return only.full()
}
