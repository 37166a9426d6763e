import type { UnixMilliseconds } from '../../shared/clock.ts'
import type { MetricValue, ReadMetric } from '../../shared/read-metric.ts'
import type { DaemonView, PeerView } from '../model/daemon-view.ts'
import type { IdentityConflict } from '../model/identity-conflict.ts'
import type { PeerState } from '../model/peer.ts'

interface MeshMetric {
  readonly type: ReadMetric['type']
  readonly name: string
  readonly help: string
  readonly values: (view: DaemonView, now: UnixMilliseconds) => readonly MetricValue[]
}

const IDENTITY_KINDS: readonly IdentityConflict['kind'][] = ['node id', 'key', 'address']
const STATES: readonly PeerState[] = ['up', 'unknown', 'down']

const one = (
  type: ReadMetric['type'],
  name: string,
  help: string,
  value: (view: DaemonView) => number,
): MeshMetric => ({ type, name, help, values: (view) => [{ labels: {}, value: value(view) }] })

/** One series per peer: a name may be there twice, so the key belongs to it. */
const perPeer = (
  type: ReadMetric['type'],
  name: string,
  help: string,
  value: (peer: PeerView) => number | undefined,
): MeshMetric => ({
  type,
  name,
  help,
  values: ({ peers }) =>
    peers.flatMap((peer) => {
      const number = value(peer)
      const labels = { peer: peer.label === '' ? peer.nodeId : peer.label, public_key: peer.publicKey }
      return number === undefined ? [] : [{ labels, value: number }]
    }),
})

interface SourceReading {
  readonly service: string
  readonly connected: boolean
  readonly lastContactAt: UnixMilliseconds | undefined
  readonly affiliates: number
}

/** The Kubernetes registry is one more source, under a name that no service can have. */
const sourcesOf = ({ services, kubernetes }: DaemonView): SourceReading[] => [
  ...services.map(({ name, ...service }) => ({ service: name, ...service })),
  ...(kubernetes === undefined ? [] : [{ service: 'registry/kubernetes', ...kubernetes }]),
]

const perSource = (
  name: string,
  help: string,
  value: (source: SourceReading, now: UnixMilliseconds) => number | undefined,
): MeshMetric => ({
  type: 'gauge',
  name,
  help,
  values: (view, now) =>
    sourcesOf(view).flatMap((source) => {
      const number = value(source, now)
      return number === undefined ? [] : [{ labels: { service: source.service }, value: number }]
    }),
})

const seconds = (milliseconds: number): number => milliseconds / 1000
const flag = (value: boolean): number => (value ? 1 : 0)

/** All metrics of the mesh, read from one view. */
export const meshMetrics: readonly MeshMetric[] = [
  {
    type: 'gauge',
    name: 'kubespan_build_info',
    help: 'The version that runs.',
    values: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  one('gauge', 'kubespan_enabled', '1 while KubeSpan is enabled.', ({ enabled }) => flag(enabled)),
  one('gauge', 'kubespan_start_time_seconds', 'When the daemon started.', ({ startedAt }) =>
    seconds(startedAt),
  ),
  {
    type: 'gauge',
    name: 'kubespan_peers',
    help: 'Peers by state.',
    values: ({ peers }) =>
      STATES.map((state) => ({
        labels: { state },
        value: peers.filter((peer) => peer.state === state).length,
      })),
  },
  one(
    'gauge',
    'kubespan_affiliates_unconfirmed',
    'Affiliates that no source vouches for: live peers, and such as were lately.',
    (view) =>
      view.affiliates.filter(
        ({ unconfirmedUntil, held }) => unconfirmedUntil !== undefined && held === undefined,
      ).length,
  ),
  one(
    'gauge',
    'kubespan_prefixes_held',
    'Prefixes of nodes that are given up: packets for them are dropped.',
    (view) => view.affiliates.reduce((total, { held = [] }) => total + held.length, 0),
  ),
  perPeer('gauge', 'kubespan_peer_up', '1 while the peer is up.', ({ state }) => flag(state === 'up')),
  perPeer(
    'counter',
    'kubespan_peer_receive_bytes_total',
    'Bytes from the peer.',
    (peer) => peer.receiveBytes,
  ),
  perPeer(
    'counter',
    'kubespan_peer_transmit_bytes_total',
    'Bytes to the peer.',
    (peer) => peer.transmitBytes,
  ),
  perPeer(
    'gauge',
    'kubespan_peer_last_handshake_time_seconds',
    'When the last handshake with the peer was; missing while there was none.',
    ({ lastHandshakeAt }) => (lastHandshakeAt === undefined ? undefined : seconds(lastHandshakeAt)),
  ),
  one('counter', 'kubespan_handshakes_total', 'Handshakes seen with any peer.', (v) => v.counters.handshakes),
  one(
    'counter',
    'kubespan_endpoint_changes_total',
    'Peers that moved to another endpoint.',
    (v) => v.counters.endpointChanges,
  ),
  one(
    'counter',
    'kubespan_peers_lost_total',
    'Peers that were up and stopped being so.',
    (v) => v.counters.peersLost,
  ),
  {
    type: 'summary',
    name: 'kubespan_reconcile_seconds',
    help: 'How long passes took.',
    values: ({ counters }) => [
      { metricName: 'kubespan_reconcile_seconds_sum', labels: {}, value: seconds(counters.passMilliseconds) },
      { metricName: 'kubespan_reconcile_seconds_count', labels: {}, value: counters.passes },
    ],
  },
  one('counter', 'kubespan_reconcile_failures_total', 'Passes that failed.', (v) => v.counters.failedPasses),
  one('gauge', 'kubespan_reconcile_last_success', '1 when the last pass did not fail.', ({ lastReconcile }) =>
    flag(lastReconcile !== undefined && lastReconcile.error === undefined),
  ),
  one(
    'counter',
    'kubespan_host_changes_total',
    'Things changed on this host, for whatever reason.',
    (v) => v.counters.hostChanges,
  ),
  one(
    'counter',
    'kubespan_drift_repairs_total',
    'Those of them that somebody else had changed or removed.',
    (v) => v.counters.driftRepairs,
  ),
  one(
    'gauge',
    'kubespan_detours',
    'Rules, routes and chains of others that lead packets for the mesh elsewhere, where they are dropped.',
    ({ detours }) => detours.length,
  ),
  one(
    'counter',
    'kubespan_stray_packets_total',
    'Packets for the mesh that were dropped, as they would have left by another link than ours.',
    (v) => v.counters.strayPackets,
  ),
  perSource('kubespan_discovery_connected', '1 while the source is connected.', ({ connected }) =>
    flag(connected),
  ),
  perSource(
    'kubespan_discovery_age_seconds',
    'Time since the source last said something; missing while it never did.',
    ({ lastContactAt }, now) =>
      lastContactAt === undefined ? undefined : seconds(Math.max(0, now - lastContactAt)),
  ),
  perSource(
    'kubespan_discovery_affiliates',
    'Affiliates that the source knows.',
    ({ affiliates }) => affiliates,
  ),
  one(
    'counter',
    'kubespan_config_errors_total',
    'Changed configurations that were refused.',
    (v) => v.config.refusals,
  ),
  one('gauge', 'kubespan_config_in_effect', '1 while the configuration file as it is is in effect.', (v) =>
    flag(v.config.problem === undefined),
  ),
  {
    type: 'gauge',
    name: 'kubespan_identity_conflicts',
    help: 'Two machines with one node id, key or mesh address, by kind.',
    values: ({ identityConflicts = [] }) =>
      IDENTITY_KINDS.map((kind) => ({
        labels: { kind: kind.replace(' ', '_') },
        value: identityConflicts.filter((conflict) => conflict.kind === kind).length,
      })),
  },
  one(
    'gauge',
    'kubespan_warnings',
    'Things that somebody should look at.',
    ({ warnings }) => warnings.length,
  ),
]
