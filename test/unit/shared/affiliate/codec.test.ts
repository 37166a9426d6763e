import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Affiliate } from '../../../../shared/affiliate/affiliate.ts'
import {
  decodeAffiliate,
  decodeEndpoint,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../../shared/affiliate/codec.ts'
import {
  type Address,
  addressFromBytes,
  addressPortOf,
  type Prefix,
  prefixOf,
} from '../../../../shared/net/address.ts'

const anyAddress = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => addressFromBytes(bytes) as Address)
const anyPrefix = fc.tuple(anyAddress, fc.nat(300)).map(([address, bits]) => prefixOf(address, bits))
const some = <T>(item: fc.Arbitrary<T>) => fc.array(item, { maxLength: 3 })

const plain = { noNullPrototype: true } as const
const anyAffiliate: fc.Arbitrary<Affiliate> = fc.record(
  {
    nodeId: fc.string(),
    addresses: some(anyAddress),
    hostname: fc.string(),
    nodename: fc.string({ unit: 'grapheme' }),
    operatingSystem: fc.string(),
    machineType: fc.constantFrom('init', 'controlplane', 'worker', 'unknown'),
    kubespan: fc.record(
      {
        publicKey: fc.string(),
        address: fc.option(anyAddress, { nil: undefined }),
        additionalAddresses: some(anyPrefix),
        excludeAdvertisedNetworks: some(anyPrefix),
        endpoints: fc.constant([]),
      },
      plain,
    ),
    controlPlane: fc.option(fc.record({ port: fc.nat(65_535) }, plain), { nil: undefined }),
  },
  plain,
)

const EMPTY: Affiliate = {
  nodeId: '',
  addresses: [],
  hostname: '',
  nodename: '',
  operatingSystem: '',
  machineType: 'worker',
  kubespan: {
    publicKey: '',
    address: undefined,
    additionalAddresses: [],
    excludeAdvertisedNetworks: [],
    endpoints: [],
  },
  controlPlane: undefined,
}

/** Fields of a message, written by hand. */
const field = (number: number, ...bytes: number[]): number[] => [(number << 3) | 2, bytes.length, ...bytes]
const text = (number: number, value: string): number[] => field(number, ...Buffer.from(value))

test('what is encoded comes back, and has one form', () => {
  fc.assert(
    fc.property(anyAffiliate, (affiliate) => {
      const bytes = encodeAffiliate(affiliate)
      const decoded = decodeAffiliate(bytes)
      assert.deepEqual(decoded, affiliate)
      assert.deepEqual(encodeAffiliate(decoded as Affiliate), bytes)
    }),
  )
})

test('fields are in ascending order, what is empty is left out', () => {
  assert.deepEqual([...encodeAffiliate(EMPTY)], text(5, 'worker'))
  const affiliate: Affiliate = {
    ...EMPTY,
    nodeId: 'n',
    addresses: ['10.0.0.1' as Address],
    kubespan: { ...EMPTY.kubespan, publicKey: 'k', excludeAdvertisedNetworks: ['0.0.0.0/0' as Prefix] },
    controlPlane: { port: 0 },
  }
  assert.deepEqual(
    [...encodeAffiliate(affiliate)],
    [
      ...text(1, 'n'),
      ...field(2, 10, 0, 0, 1),
      ...text(5, 'worker'),
      ...field(7, ...text(1, 'k'), ...field(4, ...field(1, 0, 0, 0, 0))),
      ...field(8),
    ],
  )
})

test('endpoints are not part of the message', () => {
  const endpoints = [addressPortOf('10.0.0.1' as Address, 1)]
  const affiliate = { ...EMPTY, kubespan: { ...EMPTY.kubespan, endpoints } }
  assert.deepEqual(encodeAffiliate(affiliate), encodeAffiliate(EMPTY))
})

test('machine types have several spellings', () => {
  for (const [spelled, type] of [
    ['', 'worker'],
    ['join', 'worker'],
    ['worker', 'worker'],
    ['init', 'init'],
    ['controlplane', 'controlplane'],
    ['unknown', 'unknown'],
    ['Worker', 'unknown'],
  ] as const)
    assert.equal(decodeAffiliate(Uint8Array.from(text(5, spelled)))?.machineType, type)
})

test('addresses that are none are dropped one by one, lengths are taken as they are', () => {
  const bytes = [
    ...field(2, 1, 2, 3),
    ...field(2, 10, 0, 0, 1),
    ...field(2),
    ...field(7, ...field(2, 1), ...field(3, ...field(1, 9)), ...field(3, ...field(1, 10, 9, 0, 0), 0x10, 40)),
  ]
  const decoded = decodeAffiliate(Uint8Array.from(bytes))
  assert.deepEqual(decoded?.addresses, ['10.0.0.1'])
  assert.deepEqual(decoded?.kubespan.address, undefined)
  assert.deepEqual(decoded?.kubespan.additionalAddresses, ['10.9.0.0/40'])
})

test('endpoints come back, with ports cut to 16 bits and without addresses not at all', () => {
  fc.assert(
    fc.property(anyAddress, fc.nat(65_535), (address, port) => {
      const endpoint = addressPortOf(address, port)
      assert.equal(decodeEndpoint(encodeEndpoint(endpoint)), endpoint)
    }),
  )
  const port70000 = [0x10, 0xf0, 0xa2, 0x04]
  assert.equal(decodeEndpoint(Uint8Array.from([...field(1, 10, 0, 0, 1), ...port70000])), '10.0.0.1:4464')
  assert.equal(decodeEndpoint(Uint8Array.from(port70000)), undefined)
  assert.equal(decodeEndpoint(new Uint8Array()), undefined)
})

test('no bytes make decoding throw', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    anyAffiliate.chain((affiliate) => {
      const good = encodeAffiliate(affiliate)
      return fc
        .tuple(fc.nat(good.length), fc.nat(255))
        .map(([at, value]) => good.with(Math.max(0, at - 1), value))
    }),
    fc.constant(new Uint8Array(2020).fill(0x0b)), // groups within groups
  )
  fc.assert(
    fc.property(bytes, (hostile) => {
      decodeAffiliate(hostile)
      decodeEndpoint(hostile)
    }),
    { numRuns: 1000 },
  )
})
