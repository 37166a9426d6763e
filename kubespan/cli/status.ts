import type { UnixMilliseconds } from '../../shared/clock.ts'
import { familyOf, isPrivate, splitAddressPort } from '../../shared/net/address.ts'
import type { DaemonView, KubernetesView, PeerView, ServiceView } from '../model/daemon-view.ts'
import { describeLeftOut } from '../model/own-address.ts'
import { printable } from './printable.ts'
import { formatAge, formatBytes, renderTable } from './table.ts'

const ago = (at: UnixMilliseconds | undefined, now: UnixMilliseconds): string =>
  at === undefined ? 'never' : `${formatAge(now - at)} ago`

/** `kubespan status`: one screen that a person can read. */
export function renderStatus(view: DaemonView, now: UnixMilliseconds): string {
  const counts = (['up', 'unknown', 'down'] as const)
    .map((state) => [state, view.peers.filter((peer) => peer.state === state).length] as const)
    .filter(([state, count]) => count > 0 || state === 'up')
    .map(([state, count]) => `${count} ${state}`)
    .join(', ')
  const sections = [
    `${printable(view.identity?.nodename ?? 'this node')}  ${view.identity?.address ?? 'no address yet'}  ${
      view.enabled
        ? view.hasLeft
          ? 'has left the cluster'
          : `${view.peers.length} peers: ${counts}`
        : 'KubeSpan is disabled'
    }\n`,
    ...(view.services.length > 0 ? [renderServices(view.services, now)] : []),
    ...(view.kubernetes === undefined ? [] : [renderKubernetes(view.kubernetes, now)]),
    ...(view.services.length > 0 || view.kubernetes !== undefined
      ? []
      : ['no discovery service is configured\n']),
    view.peers.length > 0 ? renderPeers(view.peers, now) : 'no peers yet\n',
  ]
  const leftOut = describeLeftOut(view.leftOut ?? [])
  if (leftOut !== undefined) sections.push(`${printable(leftOut)}\n`)
  if (view.lastReconcile?.error !== undefined)
    sections.push(
      `the last pass failed ${ago(view.lastReconcile.at, now)}: ${printable(view.lastReconcile.error)}\n`,
    )
  if (view.warnings.length > 0)
    sections.push(view.warnings.map((warning) => `! ${printable(warning)}\n`).join(''))
  return sections.join('\n')
}

const renderServices = (services: readonly ServiceView[], now: UnixMilliseconds): string =>
  renderTable(
    ['DISCOVERY', 'ENDPOINT', 'STATE', 'LAST CONTACT', 'AFFILIATES', 'PUBLIC ADDRESS', 'PROBLEM'],
    services.map((service) => [
      service.name,
      service.endpoint + (service.isRedirected ? ' (redirected)' : ''),
      describeState(service),
      ago(service.lastContactAt, now),
      `${service.affiliates}`,
      service.publicAddresses.join(' '),
      service.problem ??
        (service.proof?.kind === 'refused' ? `our proof of membership: ${service.proof.why}` : ''),
    ]),
  )

/** A service that does not know of proofs is only connected, as one that knows no key of the cluster is. */
function describeState({ connected, isUnpublished, proof }: ServiceView): string {
  if (!connected) return 'not connected'
  const marks = [
    isUnpublished === true ? ', does not take this node' : '',
    proof === undefined || proof.kind === 'unused' ? '' : `, proof ${proof.kind}`,
  ]
  return `connected${marks.join('')}`
}

const renderKubernetes = (kubernetes: KubernetesView, now: UnixMilliseconds): string =>
  renderTable(
    ['KUBERNETES', 'STATE', 'LAST CONTACT', 'AFFILIATES', 'NODE', 'POD NETWORKS', 'PROBLEM'],
    [
      [
        kubernetes.endpoint ?? '',
        kubernetes.connected ? 'connected' : 'not connected',
        ago(kubernetes.lastContactAt, now),
        `${kubernetes.affiliates}`,
        kubernetes.nodename ?? '',
        kubernetes.podCidrs.join(' '),
        kubernetes.problem ?? '',
      ],
    ],
  )

/** What kind of path a peer that is up is reached by; explain tells more. */
function pathOf({ state, endpoint, endpoints }: PeerView): string {
  if (state !== 'up' || endpoint === undefined) return ''
  if (!endpoints.includes(endpoint)) return 'nat'
  const { address } = splitAddressPort(endpoint)
  return isPrivate(address) ? 'private' : `ipv${familyOf(address)}`
}

const roundTripOf = ({ state, roundTripMilliseconds }: PeerView): string =>
  state !== 'up' || roundTripMilliseconds === undefined
    ? ''
    : `${roundTripMilliseconds < 10 ? roundTripMilliseconds.toFixed(1) : Math.round(roundTripMilliseconds)} ms`

/** `kubespan peers`, and the middle of `kubespan status`. */
export const renderPeers = (peers: readonly PeerView[], now: UnixMilliseconds): string =>
  renderTable(
    ['PEER', 'STATE', 'ENDPOINT', 'PATH', 'RTT', 'ADDRESS', 'HANDSHAKE', 'RX', 'TX', 'REASON'],
    [...peers]
      .sort((a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : 0))
      .map((peer) => [
        peer.label === '' ? peer.nodeId : peer.label,
        peer.state,
        peer.endpoint ?? '',
        pathOf(peer),
        roundTripOf(peer),
        peer.address,
        ago(peer.lastHandshakeAt, now),
        formatBytes(peer.receiveBytes),
        formatBytes(peer.transmitBytes),
        peer.reason ?? '',
      ]),
  )
