import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderPeers, renderStatus } from '../../../../kubespan/cli/status.ts'
import { formatAge, formatBytes, renderTable } from '../../../../kubespan/cli/table.ts'
import type { ServiceView } from '../../../../kubespan/model/daemon-view.ts'
import type { AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { daemonView, peerView } from '../../../support/daemon-view.ts'

test('a status says of each service what it made of our proof of membership', () => {
  const [service] = daemonView().services
  assert.ok(service !== undefined)
  const stateWith = (change: Partial<ServiceView>): string =>
    renderStatus(daemonView({ services: [{ ...service, ...change }] }), 10_000).split('\n')[3] ?? ''
  assert.match(stateWith({ proof: { kind: 'accepted' } }), / connected, proof accepted /)
  assert.match(stateWith({ proof: { kind: 'unused' } }), / connected {2}/)
  const refused = { kind: 'refused', why: 'its time is off' } as const
  assert.match(
    stateWith({ proof: refused }),
    / connected, proof refused .*our proof of membership: its time is off$/,
  )
  assert.match(stateWith({ proof: refused, isUnpublished: true }), /does not take this node, proof refused/)
})

test('a status is one screen', () => {
  const view = daemonView({
    peers: [
      peerView({ roundTripMilliseconds: 0.42 }),
      peerView({
        roundTripMilliseconds: 12,
        label: 'a-1',
        state: 'down',
        endpoint: undefined,
        lastHandshakeAt: undefined,
        reason: 'no endpoint answers',
      }),
    ],
    warnings: ['the clock jumped'],
  })
  assert.equal(
    renderStatus(view, 10_000),
    `worker-1  fd00::1  2 peers: 1 up, 1 down

DISCOVERY  ENDPOINT       STATE      LAST CONTACT  AFFILIATES  PUBLIC ADDRESS  PROBLEM
default    d.example:443  connected  2s ago        1           192.0.2.7

PEER      STATE  ENDPOINT        PATH     RTT     ADDRESS  HANDSHAKE  RX       TX     REASON
a-1       down                                    fd00::2  never      2.0 KiB  100 B  no endpoint answers
worker-2  up     10.0.0.2:51820  private  0.4 ms  fd00::2  5s ago     2.0 KiB  100 B

! the clock jumped
`,
  )
})

test('a status says when there is nothing, and why', () => {
  const text = renderStatus(
    daemonView({
      peers: [],
      services: [],
      identity: undefined,
      hasLeft: true,
      lastReconcile: { at: 0, durationMilliseconds: 1, changes: 0, error: 'wg: not found' },
    }),
    1000,
  )
  assert.match(text, /has left the cluster/)
  assert.match(text, /no discovery service is configured/)
  assert.match(text, /no peers yet/)
  assert.match(text, /the last pass failed 1s ago: wg: not found/)
  assert.match(renderStatus(daemonView({ enabled: false }), 0), /KubeSpan is disabled/)
})

test('the Kubernetes registry has a line of its own, with or without a service', () => {
  const kubernetes = {
    endpoint: '192.0.2.100:6443',
    connected: true,
    lastContactAt: 9000,
    affiliates: 3,
    nodename: 'worker-1',
    podCidrs: ['10.244.1.0/24', 'fd01::/64'] as Prefix[],
    problem: undefined,
  }
  const text = renderStatus(daemonView({ services: [], kubernetes }), 10_000)
  assert.match(
    text,
    /^KUBERNETES +STATE +LAST CONTACT +AFFILIATES +NODE +POD NETWORKS +PROBLEM\n192\.0\.2\.100:6443 +connected +1s ago +3 +worker-1 +10\.244\.1\.0\/24 fd01::\/64\n/m,
  )
  assert.doesNotMatch(text, /no discovery service/)
  const waiting = {
    ...kubernetes,
    connected: false,
    endpoint: undefined,
    nodename: undefined,
    problem: 'HTTP 403',
  }
  assert.match(renderStatus(daemonView({ kubernetes: waiting }), 10_000), /not connected .*HTTP 403/)
})

test('what is left out is one line, and a service that does not take this node says so', () => {
  const [service] = daemonView().services
  assert.ok(service)
  const text = renderStatus(
    daemonView({
      leftOut: ['docker0', 'tailscale0', 'a', 'b', 'c', 'd', 'e', 'f'],
      services: [{ ...service, isUnpublished: true, problem: 'too many affiliates' }],
    }),
    10_000,
  )
  assert.match(text, /^left out: docker0, tailscale0, a, b, c, d, 2 more; "kubespan explain self" says why$/m)
  assert.match(text, /connected, does not take this node .* too many affiliates/)
})

test('the path of a peer is a word', () => {
  const path = (endpoint: string, change: Parameters<typeof peerView>[0] = {}) =>
    (
      renderPeers(
        [peerView({ endpoint: endpoint as AddressPort, endpoints: [endpoint as AddressPort], ...change })],
        0,
      ).split('\n')[1] ?? ''
    ).split(/ {2,}/)[3]
  assert.equal(path('192.168.1.1:1'), 'private')
  assert.equal(path('203.0.113.1:1'), 'ipv4')
  assert.equal(path('[2001:db8::1]:1'), 'ipv6')
  assert.equal(path('203.0.113.1:1', { endpoints: [] }), 'nat')
})

test('tables align and do not trail blanks', () => {
  assert.equal(
    renderTable(
      ['A', 'LONG'],
      [
        ['x', ''],
        ['yyy', 'z'],
      ],
    ),
    'A    LONG\nx\nyyy  z\n',
  )
})

test('ages and sizes read as people say them', () => {
  assert.deepEqual([0, 3000, 250_000, 7_500_000, 273_600_000, 3_600_000, -5].map(formatAge), [
    '0s',
    '3s',
    '4m10s',
    '2h5m',
    '3d4h',
    '1h',
    '0s',
  ])
  assert.deepEqual([0, 1023, 1536, 150 * 1024, 5 * 2 ** 40, 5 * 2 ** 50].map(formatBytes), [
    '0 B',
    '1023 B',
    '1.5 KiB',
    '150 KiB',
    '5.0 TiB',
    '5120 TiB',
  ])
})
