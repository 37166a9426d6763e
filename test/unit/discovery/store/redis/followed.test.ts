import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAffiliate } from '../../../../../discovery/state/affiliate-bytes.ts'
import {
  FollowedCluster,
  PUT_BACK_LIFE,
  type ReadCluster,
  toPutBack,
} from '../../../../../discovery/store/redis/followed.ts'
import { encodeValue, type StoredAffiliate } from '../../../../../discovery/store/redis/value.ts'

const V1 = '1'.repeat(13)
const V2 = '2'.repeat(13)

const stored = (
  id: string,
  data = 'x',
  version = V1,
  refreshedAt = 10,
  expiresAt = 100,
): StoredAffiliate => ({
  ...encodeAffiliate(
    id,
    Buffer.from(data),
    [{ bytes: Buffer.from('e'), expiresAt, standing: 2 }],
    expiresAt,
    {
      refreshedAt,
      origin: undefined,
      isProven: false,
    },
  ),
  version,
})
const bytesOf = (affiliate: StoredAffiliate): Buffer => encodeValue(affiliate, affiliate.version)
const read = (last: string, ...affiliates: StoredAffiliate[]): ReadCluster => ({
  affiliates: new Map(affiliates.map((each) => [each.id, each])),
  unreadable: new Set(),
  last,
})

function start(): { cluster: FollowedCluster; take: () => string[] } {
  const seen: string[] = []
  const cluster = new FollowedCluster((id, change) => seen.push(`${id} ${change}`))
  return { cluster, take: () => seen.splice(0) }
}

test('changes are applied in their order, and one that was missed is noticed', () => {
  const { cluster, take } = start()
  const put = (entry: string, follows: string, affiliate: StoredAffiliate): boolean =>
    cluster.told({ entry, follows, affiliateId: affiliate.id, value: bytesOf(affiliate) })
  assert.ok(put('1-5', '', stored('a')))
  assert.ok(put('2-6', '1-5', stored('a', 'y')))
  assert.ok(put('1-5', '', stored('a')), 'it is late')
  assert.ok(cluster.told({ entry: '3-7', follows: '2-6', affiliateId: 'a', value: undefined }))
  assert.ok(!put('5-9', '4-8', stored('b')))
  assert.ok(!put('4-8', '3-1', stored('b')), 'of another history')
  assert.deepEqual(take(), ['a created', 'a updated', 'a deleted'])
  assert.equal(cluster.last, '3-7')
})

test('what is read anew is adopted, and only the difference told', () => {
  const { cluster, take } = start()
  cluster.adopt(read('3-1', stored('a'), stored('b'), stored('c')))
  take()
  const refreshed = stored('a', 'x', V2, 20, 200)
  cluster.adopt({ ...read('9-1', refreshed, stored('d'), stored('c', 'y')), unreadable: new Set() })
  assert.deepEqual(take(), ['b deleted', 'd created', 'c updated'])
  assert.equal(cluster.get('a')?.version, V2)
})

test('a value that a later version wrote is neither shown anew nor taken away', () => {
  const { cluster, take } = start()
  cluster.adopt(read('3-1', stored('a')))
  take()
  const later = bytesOf(stored('a', 'y'))
  later[0] = 2
  assert.ok(cluster.told({ entry: '4-1', follows: '3-1', affiliateId: 'a', value: later }))
  cluster.adopt({ ...read('5-1'), unreadable: new Set(['a', 'b']) })
  assert.deepEqual(take(), [])
  assert.deepEqual([...cluster.affiliates.keys()], ['a'])
})

test('a refresh is noted where it was made of what is held', () => {
  const { cluster, take } = start()
  cluster.adopt(read('3-1', stored('a')))
  take()
  const refreshed = stored('a', 'x', V2, 20, 200)
  cluster.refreshed('other', refreshed)
  assert.equal(cluster.get('a')?.version, V1)
  cluster.refreshed(V1, refreshed)
  assert.equal(cluster.get('a')?.version, V2)
  assert.deepEqual(take(), [])
})

test('what Redis has lost is put back, with time to be refreshed, unless what is there is newer', () => {
  const held = [stored('lost'), stored('older', 'x', V1, 10), stored('newer', 'x', V1, 20), stored('later')]
  const there = {
    ...read('1-1', stored('older', 'y', V2, 30), stored('newer', 'y', V2, 5)),
    unreadable: new Set(['later']),
  }
  const missing = toPutBack(held, there, 1000)
  assert.deepEqual(
    missing.map(({ affiliate, expected }) => [affiliate.id, expected]),
    [
      ['lost', ''],
      ['newer', V2],
    ],
  )
  for (const { affiliate } of missing)
    assert.deepEqual(
      [affiliate.expiresAt, affiliate.endpoints[0]?.expiresAt],
      [1000 + PUT_BACK_LIFE, 1000 + PUT_BACK_LIFE],
    )
})
