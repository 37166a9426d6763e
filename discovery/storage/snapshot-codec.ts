import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { SnapshotSplitter } from './snapshot-splitter.ts'

/** Fields of our own, of a cluster, an affiliate and an endpoint: other servers skip what they do not know (SPEC 1.12). */
const KEY = 100
const ORIGIN = 100
const IS_PROVEN = 101
const LACKS = 100

/** A protobuf Duration or Timestamp as it stands in the file; nothing is normalised. */
export interface SnapshotTime {
  readonly seconds: bigint
  readonly nanos: number
}

/** `ttl` is the time that was left at the moment of saving; only very old files carry `expiration` instead. */
export interface SnapshotExpiry {
  readonly expiration: SnapshotTime | undefined
  readonly ttl: SnapshotTime | undefined
}

export interface SnapshotEndpoint extends SnapshotExpiry {
  readonly data: Uint8Array
  /** What it is short of being the word of its owner (2), which is not written: 1 for that of a member, 2 for anybody's. */
  readonly lacks?: number
}

export interface SnapshotAffiliate extends SnapshotExpiry {
  readonly id: string
  readonly data: Uint8Array
  readonly endpoints: readonly SnapshotEndpoint[]
  /** Client address, or network, that its data came from, where that is known. */
  readonly origin?: string
  /** Whether its data came from a member, with proof. */
  readonly isProven?: boolean
}

export interface SnapshotCluster {
  readonly id: string
  /** The write key that it was brought to life with. */
  readonly key?: string
  readonly affiliates: readonly SnapshotAffiliate[]
}

/**
 * Reads a whole snapshot file (SPEC 1.12). On an error the clusters before it are kept.
 * The byte fields are views into `bytes`.
 */
export function decodeSnapshot(bytes: Uint8Array): {
  readonly clusters: readonly SnapshotCluster[]
  readonly error: Error | undefined
} {
  const decoder = new SnapshotDecoder()
  const clusters = [...decoder.push(bytes)]
  decoder.end()
  return { clusters, error: decoder.error }
}

/** The whole file in one piece. What saves state writes `encodeCluster` by `encodeCluster` instead. */
export const encodeSnapshot = (clusters: Iterable<SnapshotCluster>): Uint8Array =>
  Buffer.concat(Array.from(clusters, encodeCluster))

/**
 * Reads a snapshot that arrives in pieces of any size, cluster by cluster: memory is bounded by the
 * largest cluster that is really there, not by what a length field claims (SPEC 9, S7).
 */
export class SnapshotDecoder {
  readonly #splitter = new SnapshotSplitter()
  readonly #ids = new Set<string>()
  #error: Error | undefined

  /** Why reading stopped, if it did; nothing is read after an error. */
  get error(): Error | undefined {
    return this.#error
  }

  /** The clusters that this chunk completes. */
  *push(chunk: Uint8Array): Generator<SnapshotCluster, void> {
    if (this.#error !== undefined) return
    try {
      for (const message of this.#splitter.push(chunk)) {
        const cluster = readCluster(message)
        if (this.#ids.has(cluster.id)) throw new Error('it is there twice')
        this.#ids.add(cluster.id)
        yield cluster
      }
    } catch (cause) {
      this.#fail(cause)
    }
  }

  /** Call once after the last chunk: a file that ends inside a cluster is an error. */
  end(): void {
    try {
      this.#splitter.end()
    } catch (cause) {
      if (this.#error === undefined) this.#fail(cause)
    }
  }

  #fail(cause: unknown): void {
    const place = `cluster ${this.#ids.size + 1} of the snapshot`
    this.#error = new Error(`${place}: ${(cause as Error).message}`, { cause })
  }
}

/** Calls `field` for each field of the message; what it does not read (it returns false) is skipped. */
function readFields(
  bytes: Uint8Array,
  field: (number: number, type: WireType, reader: BinaryReader) => boolean,
): void {
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag()
    if (!field(number, type, reader)) reader.skip(type, number)
  }
  if (reader.pos > reader.len) throw new Error('a field is longer than its message')
}

function readCluster(bytes: Uint8Array): SnapshotCluster {
  let id = ''
  let key = ''
  const affiliates: SnapshotAffiliate[] = []
  readFields(bytes, (number, type, reader) => {
    if (type !== WireType.LengthDelimited) return false
    if (number === 1) id = reader.string()
    else if (number === KEY) key = reader.string()
    else if (number === 2) affiliates.push(readAffiliate(reader.bytes()))
    else return false
    return true
  })
  return { id, affiliates, ...(key !== '' && { key }) }
}

function readAffiliate(bytes: Uint8Array): SnapshotAffiliate {
  let id = ''
  let data: Uint8Array = new Uint8Array()
  let expiration: SnapshotTime | undefined
  let ttl: SnapshotTime | undefined
  let origin = ''
  let isProven = false as boolean
  const endpoints: SnapshotEndpoint[] = []
  readFields(bytes, (number, type, reader) => {
    if (number === IS_PROVEN && type === WireType.Varint) {
      isProven = reader.bool()
      return true
    }
    if (type !== WireType.LengthDelimited) return false
    if (number === 1) id = reader.string()
    else if (number === 2) expiration = readTime(reader.bytes())
    else if (number === 3) data = reader.bytes()
    else if (number === 4) endpoints.push(readEndpoint(reader.bytes()))
    else if (number === 5) ttl = readTime(reader.bytes())
    else if (number === ORIGIN) origin = reader.string()
    else return false
    return true
  })
  return {
    id,
    data,
    expiration,
    ttl,
    endpoints,
    ...(origin !== '' && { origin }),
    ...(isProven && { isProven }),
  }
}

function readEndpoint(bytes: Uint8Array): SnapshotEndpoint {
  let data: Uint8Array = new Uint8Array()
  let expiration: SnapshotTime | undefined
  let ttl: SnapshotTime | undefined
  let lacks = 0
  readFields(bytes, (number, type, reader) => {
    if (number === LACKS && type === WireType.Varint) {
      lacks = reader.uint32()
      return true
    }
    if (type !== WireType.LengthDelimited) return false
    if (number === 1) expiration = readTime(reader.bytes())
    else if (number === 2) data = reader.bytes()
    else if (number === 3) ttl = readTime(reader.bytes())
    else return false
    return true
  })
  return { data, expiration, ttl, ...(lacks !== 0 && { lacks }) }
}

function readTime(bytes: Uint8Array): SnapshotTime {
  let seconds = 0n
  let nanos = 0
  readFields(bytes, (number, type, reader) => {
    if (type !== WireType.Varint) return false
    if (number === 1) seconds = BigInt(reader.int64())
    else if (number === 2) nanos = reader.int32()
    else return false
    return true
  })
  return { seconds, nanos }
}

/** One cluster as it stands in the file: tag, length, message. */
export function encodeCluster(cluster: SnapshotCluster): Uint8Array {
  const writer = new BinaryWriter()
  writer.tag(1, WireType.LengthDelimited).fork()
  if (cluster.id !== '') writer.tag(1, WireType.LengthDelimited).string(cluster.id)
  for (const affiliate of cluster.affiliates) writeAffiliate(writer, affiliate)
  if (cluster.key !== undefined) writer.tag(KEY, WireType.LengthDelimited).string(cluster.key)
  return writer.join().finish()
}

function writeAffiliate(
  writer: BinaryWriter,
  { id, data, expiration, ttl, endpoints, origin = '', isProven }: SnapshotAffiliate,
): void {
  writer.tag(2, WireType.LengthDelimited).fork()
  if (id !== '') writer.tag(1, WireType.LengthDelimited).string(id)
  writeTime(writer, 2, expiration)
  if (data.length > 0) writer.tag(3, WireType.LengthDelimited).bytes(data)
  for (const endpoint of endpoints) {
    writer.tag(4, WireType.LengthDelimited).fork()
    writeTime(writer, 1, endpoint.expiration)
    if (endpoint.data.length > 0) writer.tag(2, WireType.LengthDelimited).bytes(endpoint.data)
    writeTime(writer, 3, endpoint.ttl)
    if (endpoint.lacks !== undefined) writer.tag(LACKS, WireType.Varint).uint32(endpoint.lacks)
    writer.join()
  }
  writeTime(writer, 5, ttl)
  if (origin !== '') writer.tag(ORIGIN, WireType.LengthDelimited).string(origin)
  if (isProven === true) writer.tag(IS_PROVEN, WireType.Varint).bool(true)
  writer.join()
}

function writeTime(writer: BinaryWriter, field: number, time: SnapshotTime | undefined): void {
  if (time === undefined) return
  writer.tag(field, WireType.LengthDelimited).fork()
  if (time.seconds !== 0n) writer.tag(1, WireType.Varint).int64(time.seconds)
  if (time.nanos !== 0) writer.tag(2, WireType.Varint).int32(time.nanos)
  writer.join()
}
