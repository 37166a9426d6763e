import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Affiliate } from '../../../../discovery/state/affiliate.ts'
import { STANDING } from '../../../../discovery/state/affiliate-bytes.ts'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotAffiliate,
  type SnapshotCluster,
  type SnapshotExpiry,
} from '../../../../discovery/storage/snapshot-codec.ts'
import {
  addCounts,
  countsOf,
  exportCluster,
  importCluster,
  NO_COUNTS,
} from '../../../../discovery/storage/state-snapshot.ts'

const WALL = Date.UTC(2026, 0, 1)
const MOMENT = { now: 5000, wall: WALL }
const seconds = (count: number, nanos = 0): SnapshotExpiry => ({
  ttl: { seconds: BigInt(count), nanos },
  expiration: undefined,
})
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(7)

const affiliate = (id: string, over: Partial<SnapshotAffiliate> = {}): SnapshotAffiliate => ({
  id,
  data: bytes(3),
  endpoints: [],
  ...seconds(60),
  ...over,
})

function imported(...affiliates: readonly SnapshotAffiliate[]): readonly Affiliate[] {
  const clusters = new Clusters()
  importCluster(clusters, { id: 'c', affiliates }, MOMENT)
  return [...clusters.affiliatesOf('c').values()]
}

test('what was exported comes in again with the time that was left', () => {
  const clusters = new Clusters()
  const update = { data: bytes(4), endpoints: [bytes(1), bytes(2)], expiresAt: 61_900 }
  clusters.update('c', 'a', update)
  const [cluster] = clusters.export()
  assert.ok(cluster !== undefined)
  const snapshot = exportCluster(cluster, 1000)
  assert.deepEqual(countsOf(snapshot.affiliates), { clusters: 1, affiliates: 1, endpoints: 2 })
  assert.deepEqual(snapshot.affiliates[0]?.ttl, { seconds: 60n, nanos: 0 }, 'cut towards zero')

  const again = new Clusters()
  const counts = importCluster(again, snapshot, { now: 500_000, wall: WALL })
  assert.deepEqual(counts, countsOf(snapshot.affiliates))
  const [back] = again.affiliatesOf('c').values()
  assert.deepEqual([back?.id, back?.expiresAt, [...(back?.data ?? [])]], ['a', 560_000, [...bytes(4)]])
  assert.deepEqual(
    back?.endpoints.map(({ bytes, expiresAt }) => [bytes.length, expiresAt]),
    [
      [1, 560_000],
      [2, 560_000],
    ],
  )
})

test('whose word an endpoint is, and where a record came from, survive', () => {
  const clusters = new Clusters()
  const update = { expiresAt: 61_900, origin: '192.0.2.7' }
  clusters.update('c', 'a', { ...update, data: bytes(4), endpoints: [bytes(1)] })
  clusters.update('c', 'a', { ...update, data: undefined, endpoints: [bytes(2)], origin: '192.0.2.8' })
  const [cluster] = clusters.export()
  assert.ok(cluster !== undefined)
  const { clusters: read } = decodeSnapshot(encodeSnapshot([exportCluster(cluster, 1000)]))
  const back = imported(...(read[0]?.affiliates ?? []))[0]
  assert.equal(back?.origin, '192.0.2.7')
  assert.deepEqual(
    back?.endpoints.map(({ standing }) => standing),
    [STANDING.owner, STANDING.others],
  )
})

test('what members wrote, and the key of the cluster, survive, also where nothing else is left', () => {
  const writer = { key: 'cCZ4Kn12GDCTatQ/R4S+STWbLoAp0fRVI1efXA+gM9g=', listed: undefined }
  const clusters = new Clusters()
  const update = { data: bytes(1), endpoints: [bytes(2)], expiresAt: 61_900, writer }
  clusters.update('c', 'a', update)
  clusters.update('c', 'a', { ...update, data: undefined, endpoints: [bytes(3)] })
  clusters.update('gone', 'a', update)
  clusters.delete('gone', 'a', writer)
  const again = new Clusters()
  const written = encodeSnapshot(Array.from(clusters.export(), (cluster) => exportCluster(cluster, 1000)))
  for (const cluster of decodeSnapshot(written).clusters) importCluster(again, cluster, MOMENT)
  assert.deepEqual([again.keyOf('c'), again.keyOf('gone')], [writer.key, writer.key])
  const back = again.affiliatesOf('c').get('a')
  assert.deepEqual(
    [back?.isProven, back?.endpoints.map(({ standing }) => standing)],
    [true, [STANDING.owner, STANDING.members]],
  )
  importCluster(again, { id: 'd', affiliates: [], key: 'no key' }, MOMENT)
  assert.equal(again.keyOf('d'), undefined)
})

test('what is over at export is written as over', () => {
  const clusters = new Clusters()
  clusters.update('c', 'a', { data: bytes(1), endpoints: [], expiresAt: 1000 })
  const [cluster] = clusters.export()
  assert.ok(cluster !== undefined)
  assert.equal(exportCluster(cluster, 3500).affiliates[0]?.ttl?.seconds, -2n)
})

test('ttl counts from now and wins over expiration, which is wall time; without both it is over', () => {
  const expiration = { seconds: BigInt(WALL / 1000 + 90), nanos: 500_000_000 }
  const only = (expiry: SnapshotExpiry): number | undefined => imported(affiliate('a', expiry))[0]?.expiresAt
  assert.equal(only(seconds(60, 250_000_000)), 5000 + 60_250)
  assert.equal(only({ ttl: undefined, expiration }), 5000 + 90_500)
  assert.equal(only({ ...seconds(10), expiration }), 5000 + 10_000)
  assert.equal(only({ ttl: undefined, expiration: undefined }), undefined)
  assert.equal(only(seconds(0)), 5000)
  assert.equal(only(seconds(-1)), undefined)
  assert.equal(only(seconds(2 ** 40)), 5000 + 24 * 3_600_000, 'for ever is too long')
})

test('expired endpoints stay out, the affiliate comes in', () => {
  const endpoints = [
    { data: bytes(1), ...seconds(10) },
    { data: bytes(2), ...seconds(0) },
    { data: bytes(3), ...seconds(-5) },
  ]
  assert.equal(imported(affiliate('a', { endpoints }))[0]?.endpoints.length, 1)
})

test('what no client could have sent is left out', () => {
  assert.equal(imported(affiliate('')).length, 0)
  assert.equal(imported(affiliate('é'.repeat(129))).length, 0)
  assert.equal(imported(affiliate('a', { data: bytes(2049) })).length, 0)
  assert.equal(imported(affiliate('a'), affiliate('b', { data: bytes(2048) })).length, 2)
  const endpoints = [0, 1, 32, 33].map((length) => ({ data: bytes(length), ...seconds(9) }))
  assert.equal(
    imported(affiliate('a', { endpoints }))[0]?.endpoints.length,
    2,
    'S12: an empty one crashes clients',
  )
  const many = Array.from({ length: 70 }, (_, n) => ({ data: Uint8Array.of(n), ...seconds(9) }))
  assert.equal(imported(affiliate('a', { endpoints: many }))[0]?.endpoints.length, 64)
  assert.equal(imported(...Array.from({ length: 1030 }, (_, n) => affiliate(`a${n}`))).length, 1024)
  const clusters = new Clusters()
  for (const id of ['', 'x'.repeat(257)])
    assert.deepEqual(importCluster(clusters, { id, affiliates: [affiliate('a')] }, MOMENT), NO_COUNTS)
  assert.deepEqual(importCluster(clusters, { id: 'empty', affiliates: [] }, MOMENT), NO_COUNTS)
  assert.equal(clusters.counts.clusters, 0)
})

test('the recorded file comes in, and what we write of it has the same content', () => {
  const { clusters: recorded } = decodeSnapshot(readFileSync('test/vectors/snapshot.binpb'))
  const clusters = new Clusters()
  const counts = recorded.reduce(
    (total, cluster) => addCounts(total, importCluster(clusters, cluster, MOMENT)),
    NO_COUNTS,
  )
  assert.equal(counts.clusters, clusters.counts.clusters)
  const written = Array.from(clusters.export(), (cluster) => exportCluster(cluster, MOMENT.now))
  const byId = (list: readonly SnapshotCluster[]): Map<string, SnapshotCluster> =>
    new Map(list.map((c) => [c.id, c]))
  const reread = byId(decodeSnapshot(encodeSnapshot(written)).clusters)
  const alive = recorded.filter(({ affiliates }) => affiliates.some(({ ttl }) => (ttl?.seconds ?? -1n) >= 0n))
  assert.equal(reread.size, alive.length)
  for (const { id, affiliates } of alive) {
    const got = new Map(reread.get(id)?.affiliates.map((a) => [a.id, a]))
    for (const { id: affiliateId, data, ttl } of affiliates.filter(
      ({ ttl }) => (ttl?.seconds ?? -1n) >= 0n,
    )) {
      assert.deepEqual(Buffer.from(got.get(affiliateId)?.data ?? []), Buffer.from(data))
      assert.deepEqual(got.get(affiliateId)?.ttl, ttl)
    }
  }
})
