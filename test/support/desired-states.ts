import type { MeshSecrets } from '../../kubespan/apply/wireguard.ts'
import type { DesiredPeer, DesiredState, Placement } from '../../kubespan/model/desired.ts'
import { publicKeyOf } from '../../kubespan/sources/identity-file.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'

const base64 = (head: string): string => Buffer.from(head.padEnd(32, '.')).toString('base64')

export const PRIVATE_KEY = base64('private')
export const SECRETS: MeshSecrets = {
  privateKey: PRIVATE_KEY,
  publicKey: publicKeyOf(PRIVATE_KEY),
  presharedKey: base64('preshared'),
}

/** Of another node of the same mesh. */
export const OTHER_SECRETS: MeshSecrets = {
  ...SECRETS,
  privateKey: base64('other'),
  publicKey: publicKeyOf(base64('other')),
}

/** A well-formed public key for each number. */
export const keyOf = (index: number): string => base64(`peer ${index} `)

export const placementOf = (said: Partial<Placement> = {}): Placement => ({
  linkName: 'kubespan',
  listenPort: 51820,
  wireguardFwmark: 0x20,
  routeFwmark: 0x40,
  fwmarkMask: 0x60,
  routingTable: 180,
  rulePriority: 32500,
  nftTable: 'openspan',
  ...said,
})

/** Peer `index`, below 4096, has a pod subnet of each family, a node address and its mesh address. */
export const peerOf = (index: number, said: Partial<DesiredPeer> = {}): DesiredPeer => ({
  publicKey: keyOf(index),
  allowedIps: [
    `10.${100 + (index >> 8)}.${index & 255}.0/24`,
    `198.18.${index >> 8}.${index & 255}/32`,
    `2001:db8:${index.toString(16)}::/64`,
    `fd11:2233:4455:6602::${index.toString(16)}/128`,
  ] as Prefix[],
  endpoint: `203.0.113.${(index % 254) + 1}:51820` as AddressPort,
  ...said,
})

export const peersOf = (count: number): DesiredPeer[] =>
  Array.from({ length: count }, (_, index) => peerOf(index + 1))

/** What is routed is what the peers have, except for mesh addresses. */
export function desiredOf(peers: readonly DesiredPeer[], said: Partial<DesiredState> = {}): DesiredState {
  const prefixes = peers.flatMap(({ allowedIps }) => allowedIps)
  return {
    placement: placementOf(),
    mtuBytes: 1420,
    address: 'fd11:2233:4455:6602::1:1' as Address,
    addressBits: 64,
    peers,
    routedV4: prefixes.filter((prefix) => !prefix.includes(':')),
    routedV6: prefixes.filter((prefix) => prefix.includes(':') && !prefix.startsWith('fd11:')),
    ...said,
  }
}
