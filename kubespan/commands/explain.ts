import { systemClock } from '../../shared/clock.ts'
import {
  type Address,
  parseAddress,
  parseAddressPort,
  parsePrefix,
  splitAddressPort,
  splitPrefix,
  zoneOf,
} from '../../shared/net/address.ts'
import {
  renderAddressExplanation,
  renderPeerExplanation,
  renderPeerExplanations,
  renderSelf,
} from '../cli/explain.ts'
import { ControlClient, NotRunningError } from '../control/client.ts'
import { foreseeSelf } from '../controllers/members/own-affiliate.ts'
import { createHost } from '../host/host.ts'
import { explainAddress, explainPeer, peerOf } from '../inspect/explain.ts'
import { observeFates } from '../inspect/fate.ts'
import type { CandidateView, DaemonView, PeerView } from '../model/daemon-view.ts'
import type { Placement } from '../model/desired.ts'
import type { PeerExplanation } from '../model/explanation.ts'
import type { FateReport } from '../model/fate.ts'
import type { Settings } from '../model/settings.ts'

export interface ExplainRequest {
  /** An address, `address:port` for TCP, a peer by node name, host name, node id or public key, or `self`. */
  readonly target: string
  readonly socketPath: string
  /** Where the tools' files go when no daemon runs, and under which names to look. */
  readonly withoutDaemon: () => Promise<Settings>
}

export interface Explained {
  readonly value: object
  readonly text: string
}

/** What is known, and a way to ask the kernel more. */
interface Informant {
  readonly view: DaemonView | undefined
  readonly placement: Placement
  fates(addresses: readonly Address[]): Promise<FateReport>
  candidates(peer: PeerView | undefined): Promise<readonly CandidateView[]>
}

/** So many prefixes of a peer are followed: each costs a few processes. */
const PREFIXES_MAX = 16

/** `kubespan explain`: by the daemon, which may look, or where none runs from here. */
export async function explain(request: ExplainRequest): Promise<Explained> {
  if (request.target === SELF) return await explainSelf(request)
  const informant = await findInformant(request)
  const address = parseAddress(request.target)
  if (parsePrefix(request.target) !== undefined) throw new Error(`say one address of ${request.target}`)
  if (address !== undefined && zoneOf(address) !== '')
    throw new Error(`${address} is of one link only, and none of the mesh's business`)
  if (address !== undefined) return await explainByAddress(address, undefined, informant)
  const goal = parseAddressPort(request.target)
  if (goal === undefined) return await explainByName(request.target, informant)
  const { address: host, port } = splitAddressPort(goal)
  return await explainByAddress(host, port, informant)
}

const SELF = 'self'

/** What became of every address of this host; without a daemon, what would. */
async function explainSelf({ socketPath, withoutDaemon }: ExplainRequest): Promise<Explained> {
  try {
    const report = await new ControlClient(socketPath).self()
    return { value: report, text: renderSelf(report, []) }
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error
    const settings = await withoutDaemon()
    const host = createHost({ clock: systemClock, runDirectory: settings.node.runDirectory })
    const report = await foreseeSelf(settings, host)
    return { value: report, text: renderSelf(report, ['no daemon runs: this is what it would publish']) }
  }
}

async function findInformant({ socketPath, withoutDaemon }: ExplainRequest): Promise<Informant> {
  const client = new ControlClient(socketPath)
  try {
    const view = await client.view()
    return {
      view,
      placement: view.settings.placement,
      fates: (addresses) => client.fates(addresses),
      candidates: async (peer) => (peer === undefined ? [] : await client.candidates(peer.publicKey)),
    }
  } catch (error) {
    if (!(error instanceof NotRunningError)) throw error
    const { placement, node } = await withoutDaemon()
    const host = createHost({ clock: systemClock, runDirectory: node.runDirectory })
    return {
      view: undefined,
      placement,
      fates: (addresses) => observeFates(host, placement, addresses),
      candidates: async () => [],
    }
  }
}

async function explainByAddress(
  address: Address,
  port: number | undefined,
  informant: Informant,
): Promise<Explained> {
  const { fates, ...ground } = await informant.fates([address])
  const [fate] = fates
  if (fate === undefined) throw new Error(`nothing was found out about ${address}`)
  const { view, placement } = informant
  const candidates = await informant.candidates(peerOf(fate, view))
  const value = explainAddress(fate, { placement, ground, view, port, candidates, now: systemClock.wall() })
  const withoutDaemon = view === undefined ? ['no daemon runs: this is what the kernel alone tells'] : []
  return {
    value,
    text: renderAddressExplanation({ ...value, notes: [...value.notes, ...withoutDaemon] }),
  }
}

async function explainByName(name: string, informant: Informant): Promise<Explained> {
  const { view, placement } = informant
  if (view === undefined)
    throw new Error(`no daemon runs, so nobody knows who ${name} is: say an address, or start the daemon`)
  const peers = peersCalled(name, view)
  if (peers.length === 0) throw new Error(whyNoPeer(name, view))
  const explained: PeerExplanation[] = []
  for (const peer of peers) {
    const addresses = peer.allowedIps.slice(0, PREFIXES_MAX).map((prefix) => splitPrefix(prefix).address)
    const { fates, ...ground } = await informant.fates(addresses)
    const candidates = await informant.candidates(peer)
    explained.push(explainPeer(peer, fates, { placement, ground, view, candidates, now: systemClock.wall() }))
  }
  const [only] = explained
  if (only !== undefined && explained.length === 1) return { value: only, text: renderPeerExplanation(only) }
  return { value: { name, records: explained }, text: renderPeerExplanations(name, explained) }
}

const affiliatesCalled = (name: string, { affiliates }: DaemonView) =>
  affiliates.filter((affiliate) =>
    [affiliate.nodename, affiliate.hostname, affiliate.nodeId].some((candidate) => candidate === name),
  )

/** Those who are up first: a machine that was installed anew is there twice until its old record ends. */
function peersCalled(name: string, view: DaemonView): readonly PeerView[] {
  const ids = new Set(affiliatesCalled(name, view).map(({ nodeId }) => nodeId))
  return view.peers
    .filter(
      (peer) =>
        peer.label === name || peer.publicKey === name || peer.nodeId === name || ids.has(peer.nodeId),
    )
    .toSorted((one, two) => Number(two.state === 'up') - Number(one.state === 'up'))
}

/** Why somebody who is known is no peer. */
function whyNoPeer(name: string, view: DaemonView): string {
  const [affiliate] = affiliatesCalled(name, view)
  if (affiliate === undefined) return `no peer is called ${name}; "kubespan peers" lists them`
  if (affiliate.isLocal) return `${name} is this node itself`
  if (affiliate.kubespan.publicKey === '')
    return `${name} is in the cluster and does not take part in KubeSpan: it announces no key`
  return `${name} is in the cluster and no peer: the warnings of "kubespan status" say why`
}
