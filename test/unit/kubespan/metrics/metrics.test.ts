import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeLiveness, judgeReadiness, STUCK_AFTER } from '../../../../kubespan/metrics/health.ts'
import { metricsPages } from '../../../../kubespan/metrics/metrics.ts'
import type { DaemonView } from '../../../../kubespan/model/daemon-view.ts'
import { questionOf } from '../../../../shared/http.ts'
import { daemonView, peerView } from '../../../support/daemon-view.ts'

const pages = (view: () => DaemonView, busyFor = 0, ofProcess = false) =>
  metricsPages({ view, now: () => 10_000, busyFor: () => busyFor, ofProcess })
const ask = async (handler: ReturnType<typeof pages>, path: string) => {
  const { status, body } = await handler(questionOf('GET', path))
  return { status, body: String(body) }
}

test('the metrics are those of the view at that moment', async () => {
  let view = daemonView({ peers: [peerView(), peerView({ publicKey: 'other', state: 'down' })] })
  const handler = pages(() => view)
  const { status, body } = await ask(handler, '/metrics')
  assert.equal(status, 200)
  for (const line of [
    'kubespan_build_info{version="v0.1.0"} 1',
    'kubespan_peers{state="up"} 1',
    'kubespan_peers{state="unknown"} 0',
    'kubespan_peers{state="down"} 1',
    'kubespan_peer_receive_bytes_total{peer="worker-2",public_key="cGVlciBrZXk="} 2048',
    'kubespan_peer_last_handshake_time_seconds{peer="worker-2",public_key="other"} 5',
    '# TYPE kubespan_reconcile_seconds summary',
    'kubespan_reconcile_seconds_sum 0.25',
    'kubespan_reconcile_seconds_count 3',
    'kubespan_drift_repairs_total 1',
    'kubespan_handshakes_total 2',
    'kubespan_discovery_connected{service="default"} 1',
    'kubespan_discovery_age_seconds{service="default"} 2',
    'kubespan_config_errors_total 0',
    'kubespan_config_in_effect 1',
  ])
    assert.ok(body.split('\n').includes(line), `${line} in\n${body}`)
  view = daemonView({
    peers: [],
    config: { problem: 'bad', refusals: 2 },
    kubernetes: {
      endpoint: undefined,
      connected: false,
      lastContactAt: undefined,
      affiliates: 0,
      nodename: undefined,
      podCidrs: [],
      problem: 'no credentials',
    },
  })
  const later = (await ask(handler, '/metrics')).body
  assert.match(later, /kubespan_peers\{state="up"\} 0\n/)
  assert.match(later, /kubespan_config_errors_total 2\n[\s\S]*kubespan_config_in_effect 0\n/)
  assert.match(later, /kubespan_discovery_connected\{service="registry\/kubernetes"\} 0\n/)
  assert.doesNotMatch(later, /age_seconds\{service="registry/)
})

test('what a peer calls itself cannot forge a line', async () => {
  const view = daemonView({ peers: [peerView({ label: 'x"} 1\nkubespan_peers{state="up' })] })
  const { body } = await ask(
    pages(() => view),
    '/metrics',
  )
  assert.equal(body.split('\n').filter((line) => line.startsWith('kubespan_peers{state="up"}')).length, 1)
})

test('the process may be measured too', async () => {
  const { body } = await ask(
    pages(() => daemonView(), 0, true),
    '/metrics',
  )
  assert.match(body, /process_resident_memory_bytes \d+/)
  assert.match(body, /nodejs_eventloop_lag_seconds \d/)
  assert.doesNotMatch(body, /nodejs_eventloop_lag_\w+_seconds/)
})

test('alive is who does not hang, ready is whose last pass worked', async () => {
  const handler = pages(() => daemonView(), STUCK_AFTER)
  assert.deepEqual(await ask(handler, '/healthz'), {
    status: 503,
    body: 'a pass has been running for 120 s\n',
  })
  assert.deepEqual(await ask(handler, '/readyz'), { status: 200, body: 'ready\n' })
  assert.equal((await ask(handler, '/other')).status, 404)
  assert.equal(judgeLiveness(STUCK_AFTER - 1).isGood, true)
  const failed = { at: 0, durationMilliseconds: 1, changes: 0, error: 'nft: busy' }
  for (const [view, why] of [
    [daemonView({ lastReconcile: undefined }), /first pass/],
    [daemonView({ lastReconcile: failed }), /the last pass failed: nft: busy/],
    [daemonView({ hasLeft: true }), /left/],
  ] as const) {
    assert.equal(judgeReadiness(view).isGood, false)
    assert.match(judgeReadiness(view).says, why)
  }
})
