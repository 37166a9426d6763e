import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import {
  decodeSnapshot,
  encodeCluster,
  encodeSnapshot,
  type SnapshotCluster,
  SnapshotDecoder,
  type SnapshotTime,
} from '../../../../discovery/storage/snapshot-codec.ts'
import { StateSnapshotSchema } from '../../../../proto/gen/snapshot_pb.ts'

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

interface Case {
  readonly name?: string
  readonly hex?: string
  readonly error?: boolean
  readonly required?: 'ok' | 'error' | 'ok or error'
  readonly clustersKeptAfterError?: number
  readonly clusterCount?: number
  readonly affiliateCount?: number
  readonly endpointCount?: number
  readonly clusters?: readonly object[]
}
const { cases } = JSON.parse(readFileSync('test/vectors/snapshot.json', 'utf8')) as { cases: Case[] }

const timeToJson = (time: SnapshotTime | undefined): unknown =>
  time === undefined ? null : { seconds: Number(time.seconds), nanos: time.nanos }

/** The form in which the vectors state clusters, sorted by id as they are there. */
const toJson = (clusters: readonly SnapshotCluster[]): unknown => {
  const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : 1)
  return [...clusters].sort(byId).map(({ id, affiliates }) => ({
    id,
    affiliates: [...affiliates].sort(byId).map((affiliate) => ({
      id: affiliate.id,
      dataHex: hexOf(affiliate.data),
      expiration: timeToJson(affiliate.expiration),
      ttl: timeToJson(affiliate.ttl),
      endpoints: affiliate.endpoints.map(({ data, expiration, ttl }) => ({
        dataHex: hexOf(data),
        expiration: timeToJson(expiration),
        ttl: timeToJson(ttl),
      })),
    })),
  }))
}

for (const [index, vector] of cases.entries())
  test(`vector snapshot ${vector.name ?? index}`, () => {
    const { clusters, error } = decodeSnapshot(
      vector.hex === undefined ? readFileSync('test/vectors/snapshot.binpb') : bytesOf(vector.hex),
    )
    const required = vector.required ?? (vector.error === true ? 'error' : 'ok')
    if (required !== 'ok or error')
      assert.equal(error === undefined ? 'ok' : 'error', required, error?.message)
    if (vector.clusters !== undefined) assert.deepEqual(toJson(clusters), vector.clusters)
    if (vector.clustersKeptAfterError !== undefined)
      assert.equal(clusters.length, vector.clustersKeptAfterError)
    if (required === 'ok') {
      const affiliates = clusters.flatMap((cluster) => cluster.affiliates)
      assert.equal(clusters.length, vector.clusterCount ?? clusters.length)
      assert.equal(affiliates.length, vector.affiliateCount ?? affiliates.length)
      const endpoints = affiliates.flatMap((affiliate) => affiliate.endpoints)
      assert.equal(endpoints.length, vector.endpointCount ?? endpoints.length)
    }
  })

test('what we write of the recorded file loads again with the same content', () => {
  const { clusters } = decodeSnapshot(readFileSync('test/vectors/snapshot.binpb'))
  assert.deepEqual(toJson(decodeSnapshot(encodeSnapshot(clusters)).clusters), toJson(clusters))
})

const times = fc.option(
  fc.record({ seconds: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), nanos: fc.integer() }),
  { nil: undefined },
)
const endpoints = fc.record({ data: fc.uint8Array({ maxLength: 40 }), expiration: times, ttl: times })
const affiliates = fc.record({
  id: fc.string({ maxLength: 20, unit: 'grapheme' }),
  data: fc.uint8Array({ maxLength: 300 }),
  expiration: times,
  ttl: times,
  endpoints: fc.array(endpoints, { maxLength: 3 }),
})
const clusterLists = fc.uniqueArray(
  fc.record({ id: fc.string({ maxLength: 20 }), affiliates: fc.array(affiliates, { maxLength: 3 }) }),
  { selector: ({ id }) => id, maxLength: 5 },
)

test('what is written is read, in pieces of any size', () => {
  fc.assert(
    fc.property(
      clusterLists,
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }),
      (clusters, sizes) => {
        const bytes = encodeSnapshot(clusters)
        const decoder = new SnapshotDecoder()
        const read: SnapshotCluster[] = []
        let at = 0
        for (let step = 0; at < bytes.length; step++) {
          const size = 1 + (sizes[step % sizes.length] ?? 0)
          read.push(...decoder.push(bytes.subarray(at, at + size)))
          at += size
        }
        decoder.end()
        assert.equal(decoder.error, undefined)
        assert.deepEqual(toJson(read), toJson(clusters))
      },
    ),
  )
})

test('the generated codec agrees in both directions', () => {
  fc.assert(
    fc.property(clusterLists, (clusters) => {
      const bytes = encodeSnapshot(clusters)
      assert.deepEqual(
        hexOf(toBinary(StateSnapshotSchema, fromBinary(StateSnapshotSchema, bytes))),
        hexOf(bytes),
      )
    }),
  )
  const message = create(StateSnapshotSchema, {
    clusters: [{ id: 'c', affiliates: [{ id: 'a', ttl: { seconds: -3n } }] }],
  })
  assert.deepEqual(decodeSnapshot(toBinary(StateSnapshotSchema, message)).clusters, [
    {
      id: 'c',
      affiliates: [
        {
          id: 'a',
          data: new Uint8Array(),
          expiration: undefined,
          ttl: { seconds: -3n, nanos: 0 },
          endpoints: [],
        },
      ],
    },
  ])
})

test('a file cut anywhere but between clusters is an error and keeps the clusters before the cut', () => {
  const pieces = ['one', 'two'].map((id) => encodeCluster({ id, affiliates: [] }))
  const bytes = Buffer.concat(pieces)
  const edge = pieces[0]?.length ?? 0
  for (let length = 0; length <= bytes.length; length++) {
    const { clusters, error } = decodeSnapshot(bytes.subarray(0, length))
    assert.equal(error === undefined, length === 0 || length === edge || length === bytes.length)
    assert.equal(clusters.length, length === bytes.length ? 2 : length >= edge ? 1 : 0)
  }
})

test('any bytes are read without a throw, and nothing after an error', () => {
  const whole = readFileSync('test/vectors/snapshot.binpb')
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
      const bytes = new Uint8Array(whole)
      bytes[at] = byte
      const { clusters } = decodeSnapshot(bytes)
      assert.ok(clusters.length <= 3)
    }),
  )
  const decoder = new SnapshotDecoder()
  assert.deepEqual([...decoder.push(bytesOf('ff'))], [])
  assert.match(decoder.error?.message ?? '', /^cluster 1 of the snapshot: unexpected byte 0xff$/)
  assert.deepEqual([...decoder.push(encodeCluster({ id: 'a', affiliates: [] }))], [])
})

/** A length-delimited field by number. */
const field = (number: number, ...inner: readonly string[]): string => {
  const body = inner.join('')
  return (
    [(number << 3) | 2, body.length / 2].map((byte) => byte.toString(16).padStart(2, '0')).join('') + body
  )
}
/** Field 9, a varint that no message has; and the id field as a varint, which no message has either. */
const ODD_FIELDS = '4801' + '0801'

test('inside a cluster, fields that are not known or of another wire type are skipped', () => {
  const ttl = field(5, '4d01020304', '0805')
  const endpoint = field(4, ODD_FIELDS, field(9), field(3, '0806'), field(2, 'ee'))
  const affiliate = field(2, ODD_FIELDS, field(9), endpoint, ttl)
  const { clusters, error } = decodeSnapshot(
    bytesOf(field(1, ODD_FIELDS, field(9), affiliate, field(1, '61'))),
  )
  assert.equal(error, undefined)
  assert.deepEqual(toJson(clusters), [
    {
      id: 'a',
      affiliates: [
        {
          id: '',
          dataHex: '',
          expiration: null,
          ttl: { seconds: 5, nanos: 0 },
          endpoints: [{ dataHex: 'ee', expiration: null, ttl: { seconds: 6, nanos: 0 } }],
        },
      ],
    },
  ])
})

test('a field that is longer than its message is an error', () => {
  for (const cluster of ['0a0561', '1205' + '0a', field(2, '2a0908'), field(2, '08')])
    assert.notEqual(decodeSnapshot(bytesOf(field(1, cluster))).error, undefined, cluster)
})
