import assert from 'node:assert/strict'
import { create, toBinary } from '@bufbuild/protobuf'
import { AffiliateSchema, EndpointSchema } from '../../../proto/gen/affiliate_pb.ts'
import type { Affiliate, MachineType } from '../../../shared/affiliate/affiliate.ts'
import {
  decodeAffiliate,
  decodeEndpoint,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../../shared/affiliate/seal.ts'
import { addressFromBytes, addressPortOf, type Prefix, prefixOf } from '../../../shared/net/address.ts'
import { bytesOf, type Check, hexOf, type RecordedList, unknownKind } from './case.ts'

interface Keyed {
  readonly keyHex: string
  readonly clusterSecretBase64?: string
}

function keyOf({ keyHex, clusterSecretBase64 }: Keyed): ClusterKey {
  const secret = Buffer.from(keyHex, 'hex').toString('base64')
  const key = ClusterKey.fromSecret(clusterSecretBase64 ?? secret)
  assert.ok(key !== undefined, 'the secret is one')
  assert.equal(key.presharedKey(), secret)
  return key
}

interface WirePrefix {
  readonly ipHex: string
  readonly bits: number
}

interface WireAffiliate {
  readonly nodeId: string
  readonly addressesHex: RecordedList
  readonly hostname: string
  readonly nodename: string
  readonly machineType: string
  readonly operatingSystem: string
  readonly kubespan: {
    readonly publicKey: string
    readonly addressHex: string
    readonly additionalAddresses: RecordedList<WirePrefix>
    readonly excludeAdvertisedAddresses: RecordedList<WirePrefix>
  } | null
  readonly controlPlane: { readonly apiServerPort: number } | null
}

interface AffiliateCase extends Keyed {
  readonly sealedHex: string
  /** Only of cases that are about opening: `error`, or anything else. */
  readonly result?: string
  readonly affiliate?: WireAffiliate
  readonly plaintextHex?: string
  readonly nonceHex?: string
  readonly sealedByReferenceHex?: string
}

export const checkAffiliateCrypto: Check<AffiliateCase> = (recorded) => {
  const { sealedHex, result, affiliate, plaintextHex, nonceHex, sealedByReferenceHex } = recorded
  const key = keyOf(recorded)
  const opened = (hex: string): string | undefined => {
    const plaintext = key.openAffiliate(bytesOf(hex))
    return plaintext && hexOf(plaintext)
  }
  if (result === 'error') {
    assert.equal(opened(sealedHex), undefined, 'it must not open')
    return
  }
  if (plaintextHex === undefined) unknownKind(recorded)
  assert.equal(opened(sealedHex), plaintextHex, 'opened')
  if (sealedByReferenceHex !== undefined)
    assert.equal(opened(sealedByReferenceHex), plaintextHex, 'opened, of the reference')
  if (nonceHex !== undefined)
    assert.equal(hexOf(key.sealAffiliate(bytesOf(plaintextHex), bytesOf(nonceHex))), sealedHex, 'sealed')
  if (affiliate !== undefined) checkAffiliateMessage(affiliate, plaintextHex)
}

function checkAffiliateMessage(wire: WireAffiliate, plaintextHex: string): void {
  assert.equal(hexOf(messageOf(wire)), plaintextHex, 'the message')
  const decoded = decodeAffiliate(bytesOf(plaintextHex))
  assert.deepEqual(decoded, plainOf(wire), 'decoded')
  // What is left out or changed on reading cannot come back: then there is nothing of ours to compare with.
  if (decoded !== undefined && losesNothing(wire))
    assert.equal(hexOf(encodeAffiliate(decoded)), plaintextHex, 'encoded')
}

const wirePrefixes = (prefixes: RecordedList<WirePrefix>) =>
  (prefixes ?? []).map(({ ipHex, bits }) => ({ ip: bytesOf(ipHex), bits }))

function messageOf({ kubespan, controlPlane, ...wire }: WireAffiliate): Uint8Array {
  const message = create(AffiliateSchema, {
    nodeId: wire.nodeId,
    addresses: (wire.addressesHex ?? []).map(bytesOf),
    hostname: wire.hostname,
    nodename: wire.nodename,
    machineType: wire.machineType,
    operatingSystem: wire.operatingSystem,
    ...(kubespan && {
      kubespan: {
        publicKey: kubespan.publicKey,
        address: bytesOf(kubespan.addressHex),
        additionalAddresses: wirePrefixes(kubespan.additionalAddresses),
        excludeAdvertisedAddresses: wirePrefixes(kubespan.excludeAdvertisedAddresses),
      },
    }),
    ...(controlPlane && { controlPlane }),
  })
  return toBinary(AffiliateSchema, message)
}

const isSpelledAsOurs = (type: string): type is MachineType =>
  ['init', 'controlplane', 'worker', 'unknown'].includes(type)

const machineTypeOf = (type: string): MachineType => {
  if (isSpelledAsOurs(type)) return type
  return type === '' || type === 'join' ? 'worker' : 'unknown'
}

function plainPrefixes(prefixes: RecordedList<WirePrefix> | undefined): Prefix[] {
  return (prefixes ?? []).flatMap(({ ipHex, bits }) => {
    const address = addressFromBytes(bytesOf(ipHex))
    return address === undefined ? [] : [prefixOf(address, bits)]
  })
}

/** SPEC 2.2: invalid addresses and prefixes are dropped one by one. */
function plainOf({ kubespan, controlPlane, ...wire }: WireAffiliate): Affiliate {
  return {
    nodeId: wire.nodeId,
    addresses: (wire.addressesHex ?? []).flatMap((hex) => addressFromBytes(bytesOf(hex)) ?? []),
    hostname: wire.hostname,
    nodename: wire.nodename,
    operatingSystem: wire.operatingSystem,
    machineType: machineTypeOf(wire.machineType),
    kubespan: {
      publicKey: kubespan?.publicKey ?? '',
      address: addressFromBytes(bytesOf(kubespan?.addressHex ?? '')),
      additionalAddresses: plainPrefixes(kubespan?.additionalAddresses),
      excludeAdvertisedNetworks: plainPrefixes(kubespan?.excludeAdvertisedAddresses),
      endpoints: [],
    },
    controlPlane: controlPlane ? { port: controlPlane.apiServerPort } : undefined,
  }
}

function losesNothing({ addressesHex, machineType, kubespan }: WireAffiliate): boolean {
  const isAddress = (hex: string): boolean => addressFromBytes(bytesOf(hex)) !== undefined
  const isPlainAddress = ({ ipHex }: WirePrefix): boolean => ipHex.length === 8 || ipHex.length === 32
  if (!isSpelledAsOurs(machineType) || !(addressesHex ?? []).every(isAddress)) return false
  if (kubespan === null) return true
  const { publicKey, addressHex, additionalAddresses, excludeAdvertisedAddresses } = kubespan
  const prefixes = [...(additionalAddresses ?? []), ...(excludeAdvertisedAddresses ?? [])]
  const saysSomething = publicKey !== '' || addressHex !== '' || prefixes.length > 0
  return saysSomething && (addressHex === '' || isAddress(addressHex)) && prefixes.every(isPlainAddress)
}

interface EndpointCase extends Keyed {
  readonly kind: 'encrypt' | 'decode'
  readonly encryptedHex: string
  readonly ipHex?: string
  readonly port?: number
  readonly protobufHex?: string
  readonly referenceResult?: string
  readonly required?: string
}

export const checkEndpointCrypto: Check<EndpointCase> = (recorded) => {
  const { kind, encryptedHex, ipHex = '', port = 0, protobufHex } = recorded
  const key = keyOf(recorded)
  const message = key.openEndpoint(bytesOf(encryptedHex))
  const decoded = message && decodeEndpoint(message)
  // Without a valid address there is no endpoint to speak of; the port is cut to 16 bits (SPEC 2.2).
  const address = addressFromBytes(bytesOf(ipHex))
  const endpoint = address && addressPortOf(address, port & 0xffff)
  if (kind === 'encrypt' && protobufHex !== undefined) {
    const encoded = toBinary(EndpointSchema, create(EndpointSchema, { ip: bytesOf(ipHex), port }))
    assert.equal(hexOf(encoded), protobufHex, 'the message')
    assert.equal(hexOf(key.sealEndpoint(bytesOf(protobufHex))), encryptedHex, 'sealed')
    assert.equal(message && hexOf(message), protobufHex, 'opened')
    assert.equal(decoded, endpoint, 'decoded')
    if (endpoint !== undefined && port <= 0xffff)
      assert.equal(hexOf(encodeEndpoint(endpoint)), protobufHex, 'encoded')
  } else if (kind === 'decode') {
    const outcome = recorded.required ?? recorded.referenceResult
    if (outcome === 'skip') assert.equal(decoded, undefined, 'it must be skipped')
    else if (outcome === 'ok or skip')
      assert.ok(decoded === undefined || decoded === endpoint, `got ${decoded}`)
    else if (outcome === 'ok') {
      assert.ok(message !== undefined, 'it must open')
      assert.equal(decoded, endpoint)
    } else unknownKind(recorded)
  } else unknownKind(recorded)
}
