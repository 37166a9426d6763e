import assert from 'node:assert/strict'
import type { Affiliate, MachineType } from '../../../shared/affiliate/affiliate.ts'
import {
  type Address,
  type AddressPort,
  type Prefix,
  parseAddress,
  parseAddressPort,
  prefixOf,
} from '../../../shared/net/address.ts'

/** Checks one recorded case of a file; throws when it does not hold, and when it is of a kind that nobody knows. */
export type Check<C> = (recorded: C, readOther: (file: string) => Uint8Array) => void

export const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** For cases that have none of the fields by which their kind is told. */
export function unknownKind(recorded: object): never {
  assert.fail(`a case of an unknown kind: it has the fields ${Object.keys(recorded).join(', ')}`)
}

function parsed<T>(parse: (text: string) => T | undefined, text: string): T {
  const value = parse(text)
  assert.ok(value !== undefined, `"${text}" of the vector does not parse`)
  return value
}

export const addressOf = (text: string): Address => parsed(parseAddress, text)
export const endpointOf = (text: string): AddressPort => parsed(parseAddressPort, text)

/** Any length passes: some cases are about wrong ones. */
export function prefixFrom(text: string): Prefix {
  const slash = text.lastIndexOf('/')
  return prefixOf(addressOf(text.slice(0, slash)), Number(text.slice(slash + 1)))
}

/** Lists that are empty in the recording program may be written as null. */
export type RecordedList<T = string> = readonly T[] | null

/** An affiliate as the vectors of merging and of annotations write it. */
export interface RecordedAffiliate {
  readonly nodeId: string
  readonly addresses: RecordedList
  readonly hostname: string
  readonly nodename: string
  readonly operatingSystem: string
  readonly machineType: MachineType
  readonly kubespan: {
    readonly publicKey: string
    readonly address: string | null
    readonly additionalAddresses: RecordedList
    readonly excludeAdvertisedNetworks: RecordedList
    readonly endpoints: RecordedList
  }
  readonly controlPlane: { readonly port: number } | null
}

export function affiliateOf({ kubespan, ...recorded }: RecordedAffiliate): Affiliate {
  return {
    nodeId: recorded.nodeId,
    addresses: (recorded.addresses ?? []).map(addressOf),
    hostname: recorded.hostname,
    nodename: recorded.nodename,
    operatingSystem: recorded.operatingSystem,
    machineType: recorded.machineType,
    kubespan: {
      publicKey: kubespan.publicKey,
      address: kubespan.address ? addressOf(kubespan.address) : undefined,
      additionalAddresses: (kubespan.additionalAddresses ?? []).map(prefixFrom),
      excludeAdvertisedNetworks: (kubespan.excludeAdvertisedNetworks ?? []).map(prefixFrom),
      endpoints: (kubespan.endpoints ?? []).map(endpointOf),
    },
    controlPlane: recorded.controlPlane ?? undefined,
  }
}
