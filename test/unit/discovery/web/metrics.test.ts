import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MetricSources, Metrics, metricsPages } from '../../../../discovery/web/metrics.ts'
import { isWarm } from '../../../../discovery/web/warmth.ts'
import { questionOf } from '../../../../shared/http.ts'

const SOURCES: MetricSources = {
  counts: () => ({ clusters: 2, affiliates: 5, endpoints: 7 }),
  watchers: () => 3,
  connections: () => 4,
  lostConnections: () => 1,
  ignoredHeaders: () => 9,
  rateBuckets: () => 6,
  isWarm: () => true,
  isStoreUp: () => false,
}
const make = (ofProcess = false): Metrics => new Metrics(SOURCES, { version: '1.2.3', ofProcess })

/** Series by name and labels. */
async function series(metrics: Metrics): Promise<Map<string, number>> {
  const lines = (await metrics.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

const grpc = (name: string, method: string, more = ''): string =>
  `${name}{grpc_type="${method === 'Watch' ? 'server_stream' : 'unary'}",grpc_service="sidero.discovery.server.Cluster",grpc_method="${method}"${more}}`

test('the names that dashboards know are there from the start (SPEC 1.10)', async () => {
  const found = await series(make())
  assert.equal(found.get('discovery_server_hello_requests_total{client_version="unknown"}'), 0)
  for (const method of ['Hello', 'AffiliateUpdate', 'AffiliateDelete', 'List', 'Watch']) {
    for (const name of ['started', 'msg_received', 'msg_sent'])
      assert.equal(found.get(grpc(`grpc_server_${name}_total`, method)), 0)
    for (const code of ['OK', 'InvalidArgument', 'ResourceExhausted', 'Unauthenticated'])
      assert.equal(found.get(grpc('grpc_server_handled_total', method, `,grpc_code="${code}"`)), 0)
    assert.equal(found.get(grpc('grpc_server_handling_seconds_count', method)), 0)
    for (const le of ['0.01', '0.1', '0.25', '0.5', '1', '2.5', '+Inf'])
      assert.equal(found.get(grpc('grpc_server_handling_seconds_bucket', method, `,le="${le}"`)), 0)
  }
  for (const name of ['runs', 'clusters', 'affiliates'])
    assert.equal(found.get(`discovery_state_gc_${name}_total`), 0)
  assert.equal(found.get('discovery_state_clusters'), 2)
  assert.equal(found.get('discovery_state_affiliates'), 5)
  assert.equal(found.get('discovery_state_endpoints'), 7)
  assert.equal(found.get('discovery_state_subscriptions'), 3)
  assert.equal(found.get('discovery_storage_operations_total{operation="save",status="error"}'), 0)
  assert.equal(found.get('discovery_build_info{version="1.2.3"}'), 1)
  assert.equal(found.get('discovery_state_warm'), 1)
})

test('each name has one help and one type', async () => {
  const lines = (await make().text()).split('\n')
  const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2])
  assert.equal(new Set(types).size, types.length)
  assert.ok(lines.includes('# TYPE grpc_server_handling_seconds histogram'))
  assert.ok(lines.includes('# TYPE discovery_state_clusters gauge'))
})

test('calls are counted by method, code and time; waiting for a turn is no handling', async () => {
  const metrics = make()
  const { calls } = metrics
  calls.started('Hello')
  calls.messageReceived('Hello')
  calls.hello('v1.12.0')
  calls.hello('nonsense')
  calls.messageSent('Hello', 25)
  calls.finished({ method: 'Hello', code: 0, message: '', duration: 2005, throttled: 2000 })
  calls.finished({ method: 'Hello', code: 0, message: '', duration: 9000, throttled: 0 })
  const found = await series(metrics)
  assert.equal(found.get('discovery_server_hello_requests_total{client_version="v1.12"}'), 1)
  assert.equal(found.get('discovery_server_hello_requests_total{client_version="unknown"}'), 1)
  assert.equal(found.get(grpc('grpc_server_handled_total', 'Hello', ',grpc_code="OK"')), 2)
  assert.equal(found.get(grpc('grpc_server_handling_seconds_bucket', 'Hello', ',le="0.01"')), 1)
  assert.equal(found.get(grpc('grpc_server_handling_seconds_bucket', 'Hello', ',le="2.5"')), 1)
  assert.equal(found.get(grpc('grpc_server_handling_seconds_bucket', 'Hello', ',le="+Inf"')), 2)
  assert.equal(found.get(grpc('grpc_server_handling_seconds_sum', 'Hello')), 9.005)
  assert.equal(found.get('discovery_sent_bytes_total'), 25)
})

test('questions about the health are counted apart', async () => {
  const metrics = make()
  metrics.calls.started('Health/Watch')
  metrics.calls.finished({ method: 'Health/Check', code: 5, message: '', duration: 1, throttled: 0 })
  const found = await series(metrics)
  const labels = (type: string, method: string): string =>
    `grpc_type="${type}",grpc_service="grpc.health.v1.Health",grpc_method="${method}"`
  assert.equal(found.get(`grpc_server_started_total{${labels('server_stream', 'Watch')}}`), 1)
  assert.equal(found.get(grpc('grpc_server_started_total', 'Watch')), 0)
  assert.equal(found.get(`grpc_server_handled_total{${labels('unary', 'Check')},grpc_code="NotFound"}`), 1)
})

test('what did not end well is counted by reason', async () => {
  const metrics = make()
  for (const [code, message, reason] of [
    [3, "cluster ID can't be empty", 'invalid'],
    [8, 'too many affiliates in the cluster', 'full'],
    [8, 'rate limit exceeds request timeout', 'throttled'],
    [8, 'no room for new clusters', 'crowded'],
    [7, '', 'forbidden'],
    [10, '', 'lost_update'],
    [4, '', 'deadline'],
    [13, '', 'other'],
  ] as const) {
    metrics.calls.finished({ method: 'List', code, message, duration: 1, throttled: 0 })
    assert.equal((await series(metrics)).get(`discovery_rejected_calls_total{reason="${reason}"}`), 1, reason)
  }
})

test('sweeps, flushes and snapshots leave their marks', async () => {
  const metrics = make()
  metrics.swept({ clusters: 1, affiliates: 2, endpoints: 3 })
  metrics.swept({ clusters: 0, affiliates: 0, endpoints: 0 })
  metrics.flushed(5)
  metrics.watcherAborted()
  const counts = { clusters: 1, affiliates: 2, endpoints: 3 }
  metrics.stored({ operation: 'save', counts, bytes: 100, took: 1500, error: undefined })
  metrics.stored({ operation: 'load', counts, bytes: 0, took: 1, error: new Error('no file') })
  const found = await series(metrics)
  for (const [name, value] of [
    ['discovery_state_gc_runs_total', 2],
    ['discovery_state_gc_clusters_total', 1],
    ['discovery_state_gc_affiliates_total', 2],
    ['discovery_watch_messages_coalesced_total', 5],
    ['discovery_watch_aborted_total', 1],
    ['discovery_storage_operations_total{operation="save",status="success"}', 1],
    ['discovery_storage_operations_total{operation="load",status="error"}', 1],
    ['discovery_storage_last_snapshot_size_bytes{operation="save"}', 100],
    ['discovery_storage_last_operation_endpoints{operation="save"}', 3],
    ['discovery_storage_last_operation_duration_seconds{operation="save"}', 1.5],
  ] as const)
    assert.equal(found.get(name), value, name)
})

test('the process is measured too when it is wanted', async () => {
  const text = await make(true).text()
  for (const name of [
    'process_resident_memory_bytes',
    'process_cpu_seconds_total',
    'nodejs_eventloop_lag_seconds',
  ])
    assert.match(text, new RegExp(`^${name}[ {]`, 'm'))
})

test('the pages of the metrics listener', async () => {
  let problem: string | undefined = 'not ready: why'
  const pages = metricsPages(make(), () => problem)
  const status = async (path: string): Promise<number> => (await pages(questionOf('GET', path))).status
  assert.equal(
    (await pages(questionOf('GET', '/metrics'))).headers['content-type']?.startsWith('text/plain'),
    true,
  )
  assert.deepEqual(
    await Promise.all(['/metrics', '/healthz', '/readyz', '/'].map(status)),
    [200, 200, 503, 404],
  )
  assert.equal((await pages(questionOf('GET', '/readyz'))).body, 'not ready: why\n')
  problem = undefined
  assert.equal(await status('/readyz'), 200)
})

test('the state is warm when it was restored, or when all that live must have come back', () => {
  assert.equal(isWarm({ at: 0, isRestored: true }, 1), true)
  assert.equal(isWarm({ at: 0, isRestored: false }, 1_799_999), false)
  assert.equal(isWarm({ at: 0, isRestored: false }, 1_800_000), true)
})
