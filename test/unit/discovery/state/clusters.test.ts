import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ChangeSink, Clusters } from '../../../../discovery/state/clusters.ts'

class Changes implements ChangeSink {
  readonly seen: string[] = []

  changed(clusterId: string, affiliateId: string, change: string): void {
    this.seen.push(`${clusterId}/${affiliateId} ${change}`)
  }

  take(): string[] {
    return this.seen.splice(0)
  }
}

const start = (): { clusters: Clusters; changes: Changes } => {
  const changes = new Changes()
  return { clusters: new Clusters(changes), changes }
}

const update = (expiresAt: number, data = '', ...endpoints: string[]): Parameters<Clusters['update']>[2] => ({
  data: Buffer.from(data),
  endpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
  expiresAt,
})

test('changes are told, refreshes are not (S2)', () => {
  const { clusters, changes } = start()
  clusters.update('c', 'a', update(10, 'x'))
  clusters.update('c', 'a', update(20, 'x'))
  clusters.update('c', 'a', update(20, 'y'))
  clusters.update('c', 'a', update(20, 'y', 'e'))
  clusters.update('d', 'a', update(10))
  clusters.delete('c', 'a')
  assert.deepEqual(changes.take(), [
    'c/a created',
    'c/a updated',
    'c/a updated',
    'd/a created',
    'c/a deleted',
  ])
})

test('looking creates nothing (S10), deleting neither', () => {
  const { clusters, changes } = start()
  assert.equal(clusters.affiliatesOf('c').size, 0)
  assert.equal(clusters.has('c'), false)
  assert.equal(clusters.delete('c', 'a'), false)
  assert.equal(clusters.deleteCluster('c'), 0)
  assert.deepEqual(clusters.counts, { clusters: 0, affiliates: 0, endpoints: 0 })
  clusters.update('c', 'a', update(10))
  assert.equal(clusters.delete('c', 'b'), false)
  assert.deepEqual(changes.take(), ['c/a created'])
})

test('a cluster holds 1024 affiliates, a further one is refused and leaves no trace', () => {
  const { clusters, changes } = start()
  for (let index = 0; index < 1024; index += 1)
    assert.equal(clusters.update('c', `a${index}`, update(10)), undefined)
  changes.take()
  assert.deepEqual(clusters.update('c', 'more', update(10)), { kind: 'full', what: 'affiliates' })
  assert.equal(clusters.affiliatesOf('c').size, 1024)
  assert.equal(clusters.update('c', 'a7', update(10, 'x')), undefined)
  assert.equal(clusters.update('d', 'more', update(10)), undefined)
  assert.deepEqual(changes.take(), ['c/a7 updated', 'd/more created'])
})

test('too many endpoints are refused, and nothing happens (S3)', () => {
  const { clusters, changes } = start()
  const many = Array.from({ length: 65 }, (_, index) => `e${index}`)
  assert.deepEqual(clusters.update('c', 'a', update(10, 'x', ...many)), { kind: 'full', what: 'endpoints' })
  assert.equal(clusters.has('c'), false)
  clusters.update('c', 'a', update(10, 'x', 'e'))
  assert.deepEqual(clusters.update('c', 'a', update(10, 'y', ...many)), { kind: 'full', what: 'endpoints' })
  assert.equal(String(clusters.affiliatesOf('c').get('a')?.data), 'x')
  assert.deepEqual(changes.take(), ['c/a created'])
  assert.deepEqual(clusters.counts, { clusters: 1, affiliates: 1, endpoints: 1 })
})

test('a record that came out of a snapshot counts for the address that it came from', () => {
  const clusters = new Clusters(undefined, { all: 1, unproven: 0 })
  const one = { data: Buffer.from('x'), endpoints: [], expiresAt: 10 }
  clusters.import({ id: 'c', affiliates: [{ ...one, id: 'a', origin: '192.0.2.1' }] })
  assert.equal(clusters.update('c', 'b', { ...one, origin: '192.0.2.1' })?.kind, 'crowded')
  assert.equal(clusters.update('c', 'b', { ...one, origin: '192.0.2.2' }), undefined)
})

test('a sweep tells of lost endpoints as an update (S1), of lost affiliates as a deletion', () => {
  const { clusters, changes } = start()
  clusters.update('c', 'a', update(10, '', 'e', 'f'))
  clusters.update('c', 'a', update(30, '', 'f'))
  clusters.update('c', 'b', update(20, 'x', 'e'))
  clusters.update('d', 'a', update(10, 'x'))
  changes.take()
  assert.deepEqual(clusters.sweep(5), { clusters: 0, affiliates: 0, endpoints: 0 })
  assert.deepEqual(changes.take(), [])
  assert.deepEqual(clusters.sweep(10), { clusters: 0, affiliates: 0, endpoints: 1 })
  assert.deepEqual(changes.take(), ['c/a updated'])
  assert.deepEqual(clusters.sweep(25), { clusters: 1, affiliates: 2, endpoints: 1 })
  assert.deepEqual(changes.take(), ['c/b deleted', 'd/a deleted'])
  assert.deepEqual(clusters.counts, { clusters: 1, affiliates: 1, endpoints: 1 })
})

test('an empty cluster goes with the next sweep, unless it is filled before', () => {
  const { clusters } = start()
  clusters.update('c', 'a', update(10))
  clusters.update('d', 'a', update(10))
  clusters.delete('c', 'a')
  clusters.delete('d', 'a')
  assert.equal(clusters.counts.clusters, 2)
  assert.deepEqual([...clusters.export()], [])
  clusters.update('d', 'a', update(10))
  assert.equal(clusters.sweep(0).clusters, 1)
  assert.deepEqual([clusters.has('c'), clusters.has('d')], [false, true])
})

test('an operator may forget a cluster', () => {
  const { clusters, changes } = start()
  clusters.update('c', 'a', update(10, 'x', 'e'))
  clusters.update('c', 'b', update(10, 'x'))
  clusters.update('d', 'a', update(10, 'x'))
  changes.take()
  assert.equal(clusters.deleteCluster('c'), 2)
  assert.deepEqual(changes.take(), ['c/a deleted', 'c/b deleted'])
  assert.deepEqual(clusters.counts, { clusters: 1, affiliates: 1, endpoints: 0 })
})

test('what is exported can be imported, and is then a copy', () => {
  const { clusters } = start()
  clusters.update('c', 'a', update(10, 'x', 'e', 'f'))
  clusters.update('c', 'b', update(20, 'y'))
  clusters.update('d', 'a', update(30))
  const copy = start()
  for (const { id, affiliates } of clusters.export())
    copy.clusters.import({ id, affiliates: affiliates.values() })
  assert.deepEqual([...copy.clusters.export()], [...clusters.export()])
  assert.deepEqual(copy.clusters.counts, clusters.counts)
  assert.deepEqual(copy.changes.take(), ['c/a created', 'c/b created', 'd/a created'])
  const original = clusters.affiliatesOf('c').get('a')
  assert.notEqual(copy.clusters.affiliatesOf('c').get('a')?.encoded.buffer, original?.encoded.buffer)
  copy.clusters.import({ id: 'd', affiliates: [...clusters.affiliatesOf('c').values()] })
  assert.deepEqual(copy.changes.take(), ['d/a updated', 'd/b created'])
  assert.deepEqual(copy.clusters.counts, { clusters: 2, affiliates: 4, endpoints: 4 })
})
