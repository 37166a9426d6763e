import type { Milliseconds, UnixMilliseconds } from '../../shared/clock.ts'
import { formatDuration } from '../../shared/duration.ts'
import { type Address, addressPortOf, prefixContains, splitAddressPort } from '../../shared/net/address.ts'
import { PEER_DOWN_AFTER } from '../model/constants.ts'
import type { AffiliateView, CandidateView, DaemonView, PeerView } from '../model/daemon-view.ts'
import type { Placement } from '../model/desired.ts'
import type {
  AddressExplanation,
  Candidate,
  OwnerView,
  PeerExplanation,
  Verdict,
} from '../model/explanation.ts'
import type { Fate, FateGround } from '../model/fate.ts'
import { describeSteps, nameOf } from './describe-steps.ts'

export interface ExplainInput {
  readonly placement: Placement
  readonly ground: FateGround
  /** Undefined when no daemon runs: then only the kernel speaks. */
  readonly view: DaemonView | undefined
  readonly now: UnixMilliseconds
  /** Of the peer that owns the address. */
  readonly candidates: readonly CandidateView[]
  /** TCP port asked about; undefined: the address as a whole. */
  readonly port?: number | undefined
}

/** What happens to packets to one address, and why: the kernel's answers, in the daemon's words. */
export function explainAddress(fate: Fate, input: ExplainInput): AddressExplanation {
  const peer = peerOf(fate, input.view)
  const owner = ownerView(fate, peer, input.view)
  const { verdict, notes } = judgeFate(fate, owner, input)
  return {
    address: fate.address,
    port: input.port,
    verdict,
    bypassPorts: fate.bypassPorts,
    owner,
    prefix: fate.owner?.prefix,
    steps: describeSteps(fate, owner, input),
    candidates: peer === undefined ? [] : describeCandidates(peer, input),
    notes: [...notes, ...describeEndpointUse(fate.address, input.view)],
  }
}

/** What happens to everything that a peer owns. `fates` are those of the addresses at which its prefixes begin. */
export function explainPeer(peer: PeerView, fates: readonly Fate[], input: ExplainInput): PeerExplanation {
  const owner = peerOwner(peer, input.view)
  const foreign = fates.filter(
    ({ owner: kernel }) => kernel !== undefined && kernel.publicKey !== peer.publicKey,
  )
  return {
    owner,
    address: peer.address,
    verdicts: fates.flatMap((fate) => {
      const prefix = peer.allowedIps.find((candidate) => candidate.startsWith(`${fate.address}/`))
      return prefix === undefined ? [] : [{ prefix, verdict: judgeFate(fate, owner, input).verdict }]
    }),
    candidates: describeCandidates(peer, input),
    notes: [
      ...(peer.allowedIps.length === 0 ? ['every address that it announces belongs to another peer'] : []),
      ...foreign.map(({ address, owner: kernel }) => `WireGuard gives ${address} to ${kernel?.publicKey}`),
    ],
  }
}

/** Whose the address is: as WireGuard has it, or else as it is planned. */
export const peerOf = (fate: Fate, view: DaemonView | undefined): PeerView | undefined =>
  view?.peers.find(({ publicKey }) => publicKey === fate.owner?.publicKey) ??
  view?.peers.find(({ allowedIps }) => allowedIps.some((prefix) => prefixContains(prefix, fate.address)))

function peerOwner(peer: PeerView, view: DaemonView | undefined): OwnerView {
  return {
    publicKey: peer.publicKey,
    label: peer.label === '' ? peer.nodeId : peer.label,
    nodeId: peer.nodeId,
    state: peer.state,
    reason: peer.reason,
    sources: view?.affiliates.find(({ nodeId }) => nodeId === peer.nodeId)?.sources ?? [],
  }
}

/** Without a daemon a peer counts as up for as long as a handshake may be the last one (SPEC 6.2). */
function ownerView(
  fate: Fate,
  peer: PeerView | undefined,
  view: DaemonView | undefined,
): OwnerView | undefined {
  if (peer !== undefined) return peerOwner(peer, view)
  if (fate.owner === undefined) return undefined
  const { publicKey, handshakeAge } = fate.owner
  return {
    publicKey,
    label: '',
    nodeId: '',
    state: handshakeAge !== undefined && handshakeAge < PEER_DOWN_AFTER ? 'up' : 'down',
    reason: handshakeAge === undefined ? 'there never was a handshake' : undefined,
    sources: [],
  }
}

interface Judgement {
  readonly verdict: Verdict
  readonly notes: readonly string[]
}

const judged = (way: Verdict['way'], says: string, ...notes: string[]): Judgement => ({
  verdict: { way, says },
  notes,
})

function judgeFate(fate: Fate, owner: OwnerView | undefined, input: ExplainInput): Judgement {
  const { linkName } = input.placement
  const { unmarked, marked, routedBy } = fate
  if (input.port !== undefined && fate.bypassPorts.includes(input.port))
    return judged(
      'bypass',
      `bypasses the tunnel because ${reasonForBypass(fate.address, input.port, input.view)}`,
    )
  if (!('refusal' in unmarked) && unmarked.isLocal)
    return judged('local', 'is an address of this host itself')
  if ('refusal' in unmarked)
    return judged(
      'no route',
      `cannot be sent to: without a route of its own this host answers "${unmarked.refusal}" before any mark is set`,
      'the mesh takes over packets that have a way out without it; add a default route, even one that leads nowhere',
    )
  const isMarked = routedBy !== undefined
  const way = isMarked ? marked : unmarked
  if ('refusal' in way)
    return judged(
      'black hole',
      `is black-holed: it belongs into the tunnel, and link ${linkName} is down or gone`,
    )
  if (way.dev !== linkName)
    return isMarked
      ? judged(
          'black hole',
          `is black-holed: a rule or route of somebody else leads it out of ${way.dev} although it is marked for the tunnel, and it is dropped there`,
          `asked before rule ${input.placement.rulePriority}: ${input.ground.earlierRules.join('; ') || 'nothing, see ip rule'}; kubespan doctor says what mends it`,
        )
      : judged('native', `goes natively out of ${way.dev} because ${reasonForNative(fate, input)}`)
  if (owner === undefined || fate.owner === undefined)
    return judged('black hole', 'is black-holed: it goes into the tunnel, but no peer of WireGuard owns it')
  const name = nameOf(owner)
  if (owner.state === 'up') return judged('tunnel', `goes through the tunnel to ${name}`)
  return judged(
    'black hole',
    `is black-holed because ${name} is ${owner.state === 'down' ? 'down' : 'not up yet'}${owner.reason === undefined ? '' : ` (${owner.reason})`}`,
    'allowDownPeerBypass would let it leave in clear instead',
  )
}

function reasonForBypass(address: Address, port: number, view: DaemonView | undefined): string {
  const goal = addressPortOf(address, port)
  const service = view?.services.find(({ endpoint }) => endpoint === goal)
  return service === undefined
    ? 'the mesh comes up through it: a discovery service, an API server, or what the configuration names'
    : `the mesh comes up through it: it is the discovery service ${service.name}`
}

function reasonForNative({ address, isLocal }: Fate, { ground, view }: ExplainInput): string {
  if (!ground.hasTable) return 'there is no mesh on this host: its nft table is not there'
  const local = view?.local?.find(({ prefix }) => prefixContains(prefix, address))
  if (local !== undefined)
    return `it is local to this host: ${local.what} (also claimed by ${local.claimed.flatMap(({ labels }) => labels).join(', ')})`
  if (isLocal) return 'it is local to this host, whoever claims it'
  const peer = view?.peers.find(({ allowedIps }) =>
    allowedIps.some((prefix) => prefixContains(prefix, address)),
  )
  if (peer !== undefined)
    return view?.settings.allowDownPeerBypass && peer.state !== 'up'
      ? `its peer ${peer.label} is ${peer.state} and allowDownPeerBypass is true`
      : `the set of routed addresses does not hold it yet, though ${peer.label} announces it`
  const affiliate = view?.affiliates.find((candidate) => announces(candidate, address))
  if (affiliate === undefined) return 'no peer owns it'
  const name = affiliate.nodename || affiliate.hostname || affiliate.nodeId
  if (affiliate.kubespan.publicKey === '') return `${name}, which has it, does not take part in KubeSpan`
  return `${name} announces it, but it is excluded there or here, or belongs to another peer`
}

const announces = ({ addresses, kubespan, isLocal }: AffiliateView, address: Address): boolean =>
  !isLocal &&
  (addresses.includes(address) ||
    kubespan.additionalAddresses.some((prefix) => prefixContains(prefix, address)))

/** Every endpoint that the peer offers, and the one it was heard from, as they are tried, with what came of it. */
export function describeCandidates(
  peer: PeerView,
  { candidates, now }: Pick<ExplainInput, 'candidates' | 'now'>,
): Candidate[] {
  return candidates.map(({ endpoint, kind, notTried }) => ({
    endpoint,
    kind,
    result: notTried === undefined ? resultOf(endpoint, peer, now) : `never tried: ${notTried}`,
  }))
}

function resultOf(endpoint: string, peer: PeerView, now: UnixMilliseconds): string {
  const { state, lastHandshakeAt, lastEndpointChangeAt, lastUsedEndpoint } = peer
  const since = (at: UnixMilliseconds | undefined): string => (at === undefined ? '' : ` ${ago(now - at)}`)
  if (endpoint === peer.endpoint && state === 'up') {
    const how = peer.endpoints.some((offered) => offered === endpoint) ? '' : ', seen there and not announced'
    return `in use, handshake${since(lastHandshakeAt)}${how}`
  }
  if (endpoint === lastUsedEndpoint)
    return state === 'unknown'
      ? `being tried since${since(lastEndpointChangeAt)}`
      : `tried${since(lastEndpointChangeAt)}, no answer`
  return endpoint === peer.endpoint ? 'last heard from there' : 'not in use'
}

const ago = (age: Milliseconds): string => `${formatDuration(Math.max(0, Math.floor(age / 1000)) * 1000)} ago`

/** The packets of WireGuard itself never enter the tunnel, whatever else is true of the address. */
function describeEndpointUse(address: Address, view: DaemonView | undefined): string[] {
  const peer = view?.peers.find(
    ({ endpoint }) => endpoint !== undefined && splitAddressPort(endpoint).address === address,
  )
  return peer === undefined
    ? []
    : [`WireGuard's own packets to ${peer.endpoint}, the endpoint of ${peer.label}, go natively`]
}
