import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  AffiliateSchema,
  EndpointSchema,
  type IPPrefix,
  type KubeSpan,
} from '../../proto/gen/affiliate_pb.ts'
import {
  type Address,
  type AddressPort,
  addressFromBytes,
  addressPortOf,
  addressToBytes,
  type Prefix,
  prefixOf,
  splitAddressPort,
  splitPrefix,
} from '../net/address.ts'
import type { Affiliate, AffiliateKubeSpan, MachineType } from './affiliate.ts'

/** SPEC 2.1: 2048 bytes of data less nonce and tag. */
export const AFFILIATE_PLAINTEXT_MAX_BYTES = 2020
/** What the time of sealing adds to an affiliate: a tag of three bytes, and six of today's milliseconds. */
export const SEALED_AT_BYTES = 9
/** SPEC 1.2: a service refuses the call with one more. */
export const AFFILIATE_ENDPOINTS_MAX = 64

/** Other spellings on the wire (SPEC 2.2); what is not here is unknown. */
const MACHINE_TYPES: ReadonlyMap<string, MachineType> = new Map([
  ['init', 'init'],
  ['controlplane', 'controlplane'],
  ['worker', 'worker'],
  ['join', 'worker'],
  ['', 'worker'],
])

const PORT_MASK = 0xffff
/** The last instant of ECMAScript's Date. */
const SEALED_AT_MAX = 8_640_000_000_000_000n

/** The message to be sealed. Endpoints are not part of it: they travel on their own, so that others may add some. */
export function encodeAffiliate(affiliate: Affiliate): Uint8Array {
  const { nodeId, hostname, nodename, machineType, operatingSystem, kubespan, controlPlane, sealedAt } =
    affiliate
  const message = create(AffiliateSchema, {
    nodeId,
    addresses: affiliate.addresses.map(addressToBytes),
    hostname,
    nodename,
    machineType,
    operatingSystem,
    ...(saysNothing(kubespan) ? {} : { kubespan: wireKubeSpan(kubespan) }),
    ...(controlPlane === undefined ? {} : { controlPlane: { apiServerPort: controlPlane.port } }),
    ...(sealedAt === undefined ? {} : { sealedAtMilliseconds: BigInt(sealedAt) }),
  })
  return toBinary(AffiliateSchema, message)
}

/** Undefined for bytes that are no such message. Parts of it that make no sense are left out one by one. */
export function decodeAffiliate(bytes: Uint8Array): Affiliate | undefined {
  const message = decode(AffiliateSchema, bytes)
  return (
    message && {
      nodeId: message.nodeId,
      addresses: message.addresses.map(addressFromBytes).filter(isDefined),
      hostname: message.hostname,
      nodename: message.nodename,
      operatingSystem: message.operatingSystem,
      machineType: MACHINE_TYPES.get(message.machineType) ?? 'unknown',
      kubespan: plainKubeSpan(message.kubespan),
      controlPlane: message.controlPlane && { port: message.controlPlane.apiServerPort },
      ...plainSealedAt(message.sealedAtMilliseconds),
    }
  )
}

/** A time that no clock of ours can show is none. */
const plainSealedAt = (milliseconds: bigint | undefined): Pick<Affiliate, 'sealedAt'> =>
  milliseconds === undefined || milliseconds > SEALED_AT_MAX ? {} : { sealedAt: Number(milliseconds) }

export function encodeEndpoint(endpoint: AddressPort): Uint8Array {
  const { address, port } = splitAddressPort(endpoint)
  return toBinary(EndpointSchema, create(EndpointSchema, { ip: addressToBytes(address), port }))
}

/** Undefined for bytes that are no such message, or hold no address. The port is cut to 16 bits, as all clients do. */
export function decodeEndpoint(bytes: Uint8Array): AddressPort | undefined {
  const message = decode(EndpointSchema, bytes)
  const address = message && addressFromBytes(message.ip)
  return address && addressPortOf(address, message.port & PORT_MASK)
}

function decode<S extends typeof AffiliateSchema | typeof EndpointSchema>(schema: S, bytes: Uint8Array) {
  try {
    return fromBinary<S>(schema, bytes)
  } catch {
    return undefined
  }
}

const saysNothing = (kubespan: AffiliateKubeSpan): boolean =>
  kubespan.publicKey === '' &&
  kubespan.address === undefined &&
  kubespan.additionalAddresses.length === 0 &&
  kubespan.excludeAdvertisedNetworks.length === 0

const wireKubeSpan = (kubespan: AffiliateKubeSpan) => ({
  publicKey: kubespan.publicKey,
  ...(kubespan.address === undefined ? {} : { address: addressToBytes(kubespan.address) }),
  additionalAddresses: kubespan.additionalAddresses.map(wirePrefix),
  excludeAdvertisedAddresses: kubespan.excludeAdvertisedNetworks.map(wirePrefix),
})

const plainKubeSpan = (message: KubeSpan | undefined): AffiliateKubeSpan => ({
  publicKey: message?.publicKey ?? '',
  address: message && addressFromBytes(message.address),
  additionalAddresses: (message?.additionalAddresses ?? []).map(plainPrefix).filter(isDefined),
  excludeAdvertisedNetworks: (message?.excludeAdvertisedAddresses ?? []).map(plainPrefix).filter(isDefined),
  endpoints: [],
})

function wirePrefix(prefix: Prefix) {
  const { address, bits } = splitPrefix(prefix)
  return { ip: addressToBytes(address), bits }
}

/** The length is taken unchecked: the planner must see that it is wrong (SPEC 6.1). */
function plainPrefix({ ip, bits }: IPPrefix): Prefix | undefined {
  const address = addressFromBytes(ip)
  return address && prefixOf(address, bits)
}

const isDefined = <T extends Address | Prefix>(value: T | undefined): value is T => value !== undefined
