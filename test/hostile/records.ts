import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  AffiliateDeleteRequestSchema,
  AffiliateUpdateRequestSchema,
  WatchResponseSchema,
} from '../../proto/gen/cluster_pb.ts'
import type { SealedRecord } from './orders.ts'

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
const bytesOf = (text: string): Buffer => Buffer.from(text, 'base64')

/** What was written into a hostile service, and every state that it has seen. Of one cluster: it serves no other. */
export class Records {
  readonly #records = new Map<string, SealedRecord>()
  readonly #states = new Map<string, SealedRecord[]>()

  get all(): readonly SealedRecord[] {
    return [...this.#records.values()]
  }

  /** Those that it has of them; all without ids. */
  of(ids: readonly string[] | undefined): readonly SealedRecord[] {
    return ids === undefined ? this.all : this.all.filter(({ id }) => ids.includes(id))
  }

  state(id: string, place: number): SealedRecord | undefined {
    return this.#states.get(id)?.[place]
  }

  get states(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#states].map(([id, states]) => [id, states.length]))
  }

  take(record: SealedRecord): void {
    this.#records.set(record.id, record)
    this.#states.set(record.id, [...(this.#states.get(record.id) ?? []), record])
  }

  delete(id: string): boolean {
    return this.#records.delete(id)
  }

  /** What the record will be after this call of AffiliateUpdate: endpoints that come without data are added. */
  updated(request: Uint8Array): SealedRecord {
    const { affiliateId, affiliateData, affiliateEndpoints } = fromBinary(
      AffiliateUpdateRequestSchema,
      request,
    )
    const known = this.#records.get(affiliateId)
    const isOwners = affiliateData !== undefined
    const endpoints = [...(isOwners ? [] : (known?.endpoints ?? [])), ...affiliateEndpoints.map(base64)]
    return {
      id: affiliateId,
      data: isOwners ? base64(affiliateData) : (known?.data ?? ''),
      endpoints: [...new Set(endpoints)],
    }
  }
}

export const idToDelete = (request: Uint8Array): string =>
  fromBinary(AffiliateDeleteRequestSchema, request).affiliateId

/** A message of Watch. */
export function watchMessage(records: readonly SealedRecord[], deleted = false): Uint8Array {
  const affiliates = records.map(({ id, data, endpoints }) => ({
    id,
    ...(!deleted && { data: bytesOf(data), endpoints: endpoints.map(bytesOf) }),
  }))
  return toBinary(WatchResponseSchema, create(WatchResponseSchema, { affiliates, deleted }))
}

/** A message of Watch with so many records of no content, two bytes each. */
export const emptyRecords = (count: number): Uint8Array => Buffer.alloc(2 * count, Buffer.of(0x0a, 0x00))
