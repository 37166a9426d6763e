import assert from 'node:assert/strict'
import { chooseEndpoint } from '../../../kubespan/plan/paths/endpoint-order.ts'
import { judgePeer, mustChangeEndpoint } from '../../../kubespan/plan/paths/peer-state.ts'
import { planPeerSpecs } from '../../../kubespan/plan/peers/peer-specs.ts'
import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import { type AddressPort, hostPrefix, isValidPrefix, prefixOf } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'
import { addressOf, type Check, endpointOf, prefixFrom, type RecordedList } from './case.ts'

interface RecordedClaim {
  readonly id: string
  readonly nodename: string
  readonly publicKey: string
  readonly kubespanAddress: string | null
  readonly addresses: RecordedList
  readonly additionalAddresses: RecordedList
  readonly invalidAdditionalAddress?: { readonly ip: string; readonly bits: number }
  readonly excludeAdvertisedNetworks: RecordedList
  readonly endpoints: RecordedList
}

interface RecordedPeer {
  readonly publicKey: string
  readonly label: string
  readonly address: string
  readonly allowedIPs: RecordedList
  readonly endpoints: RecordedList
}

interface AllowedIpsCase {
  readonly localId: string
  readonly affiliates: RecordedList<RecordedClaim>
  readonly peers: RecordedList<RecordedPeer>
}

export const checkAllowedIps: Check<AllowedIpsCase> = ({ localId, affiliates, peers }) => {
  const claims = (affiliates ?? []).map(claimOf)
  const { specs } = planPeerSpecs(claims, localId)
  assert.deepEqual(
    specs.map(({ publicKey, label, address, allowedIps, endpoints }) => ({
      publicKey,
      label,
      address,
      allowedIPs: allowedIps,
      endpoints,
    })),
    weDiffer(claims, localId) ? ourPeers(claims, localId) : (peers ?? []).map(withLists),
  )
}

const withLists = ({ publicKey, label, address, allowedIPs, endpoints }: RecordedPeer) => ({
  publicKey,
  label,
  address,
  allowedIPs: allowedIPs ?? [],
  endpoints: endpoints ?? [],
})

function claimOf(recorded: RecordedClaim): Affiliate {
  const { kubespanAddress, invalidAdditionalAddress: invalid } = recorded
  return {
    nodeId: recorded.id,
    addresses: (recorded.addresses ?? []).map(addressOf),
    hostname: '',
    nodename: recorded.nodename,
    operatingSystem: '',
    machineType: 'unknown',
    kubespan: {
      publicKey: recorded.publicKey,
      address: kubespanAddress ? addressOf(kubespanAddress) : undefined,
      additionalAddresses: [
        ...(recorded.additionalAddresses ?? []).map(prefixFrom),
        ...(invalid === undefined ? [] : [prefixOf(addressOf(invalid.ip), invalid.bits)]),
      ],
      excludeAdvertisedNetworks: (recorded.excludeAdvertisedNetworks ?? []).map(prefixFrom),
      endpoints: (recorded.endpoints ?? []).map(endpointOf),
    },
    controlPlane: undefined,
  }
}

const candidates = (affiliates: readonly Affiliate[], localId: string): Affiliate[] =>
  affiliates
    .filter(({ nodeId, kubespan }) => nodeId !== localId && kubespan.publicKey && kubespan.address)
    .sort((a, b) => compareBytes(a.nodeId, b.nodeId))

/**
 * Where SPEC 9 binds us to something else than what was recorded: two affiliates with one key (N1: the lowest id has it,
 * and all that it asks for), and an impossible prefix length (N3: only that prefix is dropped, not the peer).
 */
function weDiffer(affiliates: readonly Affiliate[], localId: string): boolean {
  const peers = candidates(affiliates, localId)
  const keys = new Set(peers.map(({ kubespan }) => kubespan.publicKey))
  const prefixes = peers.flatMap(({ kubespan }) => [
    ...kubespan.additionalAddresses,
    ...kubespan.excludeAdvertisedNetworks,
  ])
  return keys.size < peers.length || !prefixes.every(isValidPrefix)
}

/** SPEC 6.1 word by word, with N1 and N3. */
function ourPeers(affiliates: readonly Affiliate[], localId: string) {
  const accepted: { readonly nodeId: string; readonly key: string; readonly set: PrefixSet }[] = []
  const peers = candidates(affiliates, localId).flatMap(({ nodeId, nodename, addresses, kubespan }) => {
    const { publicKey, address, endpoints } = kubespan
    if (address === undefined || accepted.some(({ key }) => key === publicKey)) return []
    let set = PrefixSet.of([
      ...kubespan.additionalAddresses.filter(isValidPrefix),
      ...addresses.map(hostPrefix),
    ])
      .subtract(PrefixSet.of(kubespan.excludeAdvertisedNetworks.filter(isValidPrefix)))
      .union(PrefixSet.of([hostPrefix(address)]))
    for (const other of accepted) set = set.subtract(other.set)
    accepted.push({ nodeId, key: publicKey, set })
    return [{ publicKey, label: nodename, address, allowedIPs: set.toPrefixes(), endpoints }]
  })
  return peers.sort((a, b) => compareBytes(a.publicKey, b.publicKey))
}

interface PeerStateCase {
  readonly msSinceLastHandshake: number | null
  readonly msSinceEndpointChange: number | null
  readonly lastUsedEndpointSet: boolean
  readonly state: string
  readonly shouldChangeEndpoint: boolean
}

/** Any moment will do. */
const NOW = 100_000_000
const ENDPOINT = '192.0.2.1:51820' as AddressPort

export const checkPeerState: Check<PeerStateCase> = (recorded) => {
  const before = (elapsed: number | null): number | undefined =>
    elapsed === null ? undefined : NOW - elapsed
  const lastUsedEndpoint = recorded.lastUsedEndpointSet ? ENDPOINT : undefined
  const state = judgePeer(
    {
      lastHandshakeAt: before(recorded.msSinceLastHandshake),
      lastEndpointChangeAt: before(recorded.msSinceEndpointChange),
      lastUsedEndpoint,
    },
    NOW,
  )
  assert.equal(state, recorded.state)
  assert.equal(
    mustChangeEndpoint(state, lastUsedEndpoint),
    recorded.shouldChangeEndpoint,
    'change of endpoint',
  )
}

interface RotationCase {
  readonly endpoints: RecordedList
  readonly lastUsedEndpoint: string | null
  readonly observedEndpoint: string | null
  readonly picked: string | null
}

export const checkRotation: Check<RotationCase> = (recorded) => {
  const optional = (text: string | null): AddressPort | undefined => (text ? endpointOf(text) : undefined)
  const picked = chooseEndpoint({
    candidates: (recorded.endpoints ?? []).map(endpointOf),
    lastUsedEndpoint: optional(recorded.lastUsedEndpoint),
    observedEndpoint: optional(recorded.observedEndpoint),
  })
  assert.equal(picked, optional(recorded.picked))
}
