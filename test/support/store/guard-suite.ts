import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { AffiliateUpdate } from '../../../discovery/state/affiliate.ts'
import type { Affiliates } from '../../../discovery/state/clusters.ts'
import { UNPROVEN } from '../../../discovery/state/clusters.ts'
import type { Writer } from '../../../discovery/state/rights.ts'
import { clusterHash } from '../../../discovery/store/cluster-hash.ts'
import type { Refusal } from '../../../discovery/validation/refusal.ts'
import {
  admitAll,
  Changes,
  found,
  manyEndpoints,
  newId,
  type StoreWorld,
  type SuiteOptions,
} from './store-suite.ts'

const MAX_PER_ORIGIN = 20
const MAX_UNPROVEN = 5
/** What the stores of this suite are opened with. */
export const ORIGIN_LIMITS = { all: MAX_PER_ORIGIN, unproven: MAX_UNPROVEN }

const KEY = 'a key of the cluster'
const MEMBER: Writer = { key: KEY, listed: undefined }
/** Where the operator has said which key the cluster has. */
const LISTED: Writer = { key: KEY, listed: KEY }
const LISTED_STRANGER: Writer = { key: undefined, listed: KEY }
const OTHER: Writer = { key: 'another key', listed: undefined }
const STRANGER: Writer = { key: undefined, listed: undefined }
const CROWDED = { kind: 'crowded', what: 'too many affiliates of the cluster from one address' }

/** How every store keeps strangers from what is a node's own. */
export function testGuards({ name, open }: Omit<SuiteOptions, 'histories'>): void {
  describe(`${name}, and strangers`, () => {
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
      assert.equal(await world.store.follow(cluster), undefined)
      return changes.take(cluster)
    }
    const follow = async (cluster: string): Promise<void> => void (await told(cluster))
    const by = async (writer: Writer, cluster: string, id: string, over: Partial<AffiliateUpdate> = {}) =>
      await world.store.update(cluster, id, { ...update(10, 'x'), ...over, writer }, admitAll)
    const dataOf = async (cluster: string, id: string): Promise<string> =>
      String((await list(cluster)).get(id)?.data)
    const bytesOf = (...endpoints: string[]): Buffer[] => endpoints.map((each) => Buffer.from(each))

    const endpointsOf = async (cluster: string): Promise<string[]> =>
      ((await list(cluster)).get('a')?.endpoints ?? []).map(({ bytes }) => String(bytes))

    test('of the endpoints that come without data 16 are taken, and no call is refused for more', async () => {
      const cluster = newId()
      await follow(cluster)
      assert.equal(await put(cluster, 'a', 10, '', ...manyEndpoints(64)), undefined)
      assert.deepEqual(await endpointsOf(cluster), manyEndpoints(16))
      await told(cluster)
      assert.equal(await put(cluster, 'a', 20, '', 'more'), undefined)
      assert.deepEqual(await endpointsOf(cluster), manyEndpoints(16))
      assert.deepEqual(await told(cluster), [], 'what had no room is no change')
    })

    test('the endpoints of the owner push out those of others, and are never refused for them', async () => {
      const cluster = newId()
      const own = Array.from({ length: 60 }, (_, index) => `own${index}`)
      await put(cluster, 'a', 1800, '', ...manyEndpoints(16))
      assert.equal(await put(cluster, 'a', 10, 'x', ...own), undefined)
      assert.deepEqual(await endpointsOf(cluster), [...manyEndpoints(4), ...own])
      assert.equal(await put(cluster, 'a', 1800, '', ...manyEndpoints(16)), undefined)
      assert.equal((await endpointsOf(cluster)).length, 64)
      assert.deepEqual(
        (await endpointsOf(cluster)).filter((each) => each.startsWith('own')),
        own,
      )
    })

    test('an owner whose data somebody sent again with other endpoints has room for its own', async () => {
      const cluster = newId()
      await put(cluster, 'a', 10, 'x', 'own')
      await put(cluster, 'a', 20, 'x', ...manyEndpoints(64))
      assert.equal(await put(cluster, 'a', 10, 'x', 'own', 'own too'), undefined)
      const endpoints = await endpointsOf(cluster)
      assert.deepEqual(
        [endpoints.length, endpoints.includes('own'), endpoints.includes('own too')],
        [64, true, true],
      )
    })

    test('one that others named first is the owner’s as soon as it names it', async () => {
      const cluster = newId()
      await put(cluster, 'a', 10, '', ...manyEndpoints(16))
      await put(cluster, 'a', 10, 'x', 'n3')
      await put(cluster, 'a', 10, 'x', ...Array.from({ length: 63 }, (_, index) => `own${index}`))
      assert.ok((await endpointsOf(cluster)).includes('n3'))
    })

    test('one address cannot fill a cluster, and what it has it may refresh', async () => {
      const cluster = newId()
      const from = async (origin: string | undefined, id: string, data = 'x') =>
        await world.store.update(cluster, id, { ...update(10, data), origin }, admitAll)
      for (let index = 0; index < MAX_PER_ORIGIN; index += 1)
        assert.equal(await from('192.0.2.1', `a${index}`), undefined)
      assert.deepEqual(await from('192.0.2.1', 'more'), CROWDED)
      assert.equal((await list(cluster)).size, MAX_PER_ORIGIN)
      assert.equal(await from('192.0.2.1', 'a0', 'y'), undefined)
      assert.equal(await from('192.0.2.2', 'b'), undefined)
      assert.equal(await from(undefined, 'c'), undefined, 'one without an address is not counted')
      await from('192.0.2.2', 'a0', 'z')
      assert.equal(await from('192.0.2.1', 'more'), undefined, 'one that came back elsewhere counts there')
      await world.store.delete(cluster, 'a1')
      assert.equal(await from('192.0.2.1', 'yet more'), undefined)
    })

    test('a cluster that a member brings to life has its key, and what members write only members change', async () => {
      const cluster = newId()
      assert.equal(await by(MEMBER, cluster, 'a'), undefined)
      assert.deepEqual(await world.store.keyOf(cluster), { key: KEY, exists: true })
      for (const writer of [STRANGER, OTHER]) {
        assert.deepEqual(await by(writer, cluster, 'a', { data: Buffer.from('y') }), UNPROVEN)
        assert.deepEqual(await world.store.delete(cluster, 'a', writer), UNPROVEN)
      }
      assert.deepEqual(await world.store.delete(cluster, 'a'), UNPROVEN)
      assert.equal(await dataOf(cluster, 'a'), 'x')
      assert.equal(await by(MEMBER, cluster, 'a', { data: Buffer.from('z') }), undefined)
      assert.equal(await dataOf(cluster, 'a'), 'z')
      assert.equal(await world.store.delete(cluster, 'a', MEMBER), true)
    })

    test('nodes that prove nothing have records of their own beside those of members', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a')
      assert.equal(await by(STRANGER, cluster, 'stock'), undefined)
      assert.equal(await by(STRANGER, cluster, 'stock', { data: Buffer.from('y') }), undefined)
      assert.equal(await dataOf(cluster, 'stock'), 'y')
      assert.equal(await world.store.delete(cluster, 'stock'), true)
    })

    test('a record that nobody had proven is its member’s as soon as that proves it', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a')
      await by(STRANGER, cluster, 'b', {
        endpoints: bytesOf(...manyEndpoints(64)),
        expiresAt: world.base + 1800,
      })
      assert.equal(await by(MEMBER, cluster, 'b', { endpoints: bytesOf('own') }), undefined)
      assert.deepEqual(await by(STRANGER, cluster, 'b'), UNPROVEN)
      const endpoints = (await list(cluster)).get('b')?.endpoints.map(({ bytes }) => String(bytes))
      assert.deepEqual(endpoints, [...manyEndpoints(16), 'own'], 'what came before is anybody’s word')
    })

    test('a stranger adds endpoints to what a member wrote, 16 at most, and prolongs nothing', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a', { endpoints: bytesOf('own') })
      const late = { data: undefined, expiresAt: world.base + 1000 }
      assert.equal(
        await by(STRANGER, cluster, 'a', { ...late, endpoints: bytesOf('own', ...manyEndpoints(20)) }),
        undefined,
      )
      const there = (await list(cluster)).get('a')
      assert.deepEqual(
        [there?.endpoints.length, there?.expiresAt, there?.endpoints[0]?.expiresAt],
        [17, world.base + 10, world.base + 10],
      )
      assert.equal(
        await by(MEMBER, cluster, 'a', { ...late, endpoints: bytesOf('seen by a member') }),
        undefined,
      )
      const endpoints = (await list(cluster)).get('a')?.endpoints.map(({ bytes }) => String(bytes)) ?? []
      assert.deepEqual(
        [endpoints.length, endpoints.at(-1)],
        [17, 'seen by a member'],
        'a member’s word counts more',
      )
    })

    test('endpoints alone make no record a member’s: its owner may prove nothing', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a')
      await by(MEMBER, cluster, 'stock', { data: undefined, endpoints: bytesOf('seen') })
      assert.equal(await by(STRANGER, cluster, 'stock', { data: Buffer.from('mine') }), undefined)
    })

    test('a cluster that is there has no key but the one that the operator names', async () => {
      const cluster = newId()
      await by(STRANGER, cluster, 'a')
      await by(MEMBER, cluster, 'b')
      assert.deepEqual(await world.store.keyOf(cluster), { key: undefined, exists: true })
      assert.equal(await by(STRANGER, cluster, 'b'), undefined)
      const listed = { listed: KEY }
      assert.equal(await by({ ...MEMBER, ...listed }, cluster, 'b'), undefined)
      assert.deepEqual(await by({ ...OTHER, ...listed }, cluster, 'b'), UNPROVEN)
      assert.deepEqual(await world.store.delete(cluster, 'b', { ...STRANGER, ...listed }), UNPROVEN)
      assert.equal(await world.store.delete(cluster, 'b', { ...MEMBER, ...listed }), true)
    })

    test('the key outlives what the cluster holds, but not the operator’s forgetting it', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a')
      await world.store.delete(cluster, 'a', MEMBER)
      await world.sweep(world.base + 20)
      await by(OTHER, cluster, 'b')
      assert.equal(answered(await world.store.keyOf(cluster)).key, KEY)
      assert.equal(await world.store.forget(clusterHash(cluster), undefined), 1)
      assert.equal(answered(await world.store.keyOf(cluster)).key, undefined)
      await world.sweep(world.base + 20)
      await by(OTHER, cluster, 'b')
      assert.equal(answered(await world.store.keyOf(cluster)).key, OTHER.key)
    })

    test('an operator forgets what a member wrote', async () => {
      const cluster = newId()
      await by(MEMBER, cluster, 'a')
      assert.equal(await world.store.forget(clusterHash(cluster), 'a'), 1)
    })

    test('in a cluster with a key one address has few records that are not proven, and members that are listed have no limit', async () => {
      const cluster = newId()
      const origin = '192.0.2.1'
      for (let index = 0; index < MAX_PER_ORIGIN + 1; index += 1)
        assert.equal(await by(LISTED, cluster, `a${index}`, { origin }), undefined)
      for (let index = 0; index < MAX_UNPROVEN; index += 1)
        assert.equal(await by(LISTED_STRANGER, cluster, `b${index}`, { origin }), undefined)
      assert.deepEqual(await by(LISTED_STRANGER, cluster, 'more', { origin }), CROWDED)
      assert.equal(await by(LISTED_STRANGER, cluster, 'more', { origin: '192.0.2.2' }), undefined)
      assert.equal(await by(LISTED, cluster, 'more of ours', { origin }), undefined)
    })

    test('a key that nobody listed may be that of a stranger who came first: one address cannot fill the cluster with it', async () => {
      const cluster = newId()
      const origin = '192.0.2.1'
      for (let index = 0; index < MAX_PER_ORIGIN; index += 1)
        assert.equal(await by(MEMBER, cluster, `a${index}`, { origin }), undefined)
      assert.deepEqual(await by(MEMBER, cluster, 'more', { origin }), CROWDED)
      assert.equal(await by(STRANGER, cluster, 'a node', { origin: '192.0.2.2' }), undefined)
    })

    test('a member that is listed has a place in a cluster that strangers filled, and no other', async () => {
      const cluster = newId()
      await by(LISTED, cluster, 'a')
      await Promise.all(
        Array.from({ length: 1023 }, (_, index) =>
          by(LISTED_STRANGER, cluster, `junk${index}`, { expiresAt: world.base + 100 + index }),
        ),
      )
      const full = { kind: 'full', what: 'affiliates' }
      assert.deepEqual(await by(LISTED_STRANGER, cluster, 'more'), full)
      assert.equal(await by(LISTED, cluster, 'b'), undefined)
      const ids = await list(cluster)
      assert.deepEqual(
        [ids.size, ids.has('b'), ids.has('junk0'), ids.has('junk1')],
        [1024, true, false, true],
      )
    })
  })
}

function answered<T extends object>(answer: T | Refusal): T {
  assert.ok(!('kind' in answer), JSON.stringify(answer))
  return answer as T
}
