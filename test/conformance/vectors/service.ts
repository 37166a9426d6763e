import assert from 'node:assert/strict'
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotCluster,
  type SnapshotTime,
} from '../../../discovery/storage/snapshot-codec.ts'
import { clientVersionLabel } from '../../../discovery/web/client-version.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import { bytesOf, type Check, hexOf, type RecordedList, unknownKind } from './case.ts'

interface VersionCase {
  readonly version: string
  readonly label: string
}

/** SPEC 9, S11: a label of anything but digits is free text of the client's, and ours is `unknown` instead. */
const ONLY_DIGITS = /^(?:v\d*\.\d*(?:-pre)?|unknown)$/

export const checkClientVersion: Check<VersionCase> = ({ version, label }) => {
  assert.equal(clientVersionLabel(version), ONLY_DIGITS.test(label) ? label : 'unknown')
}

interface RecordedTime {
  readonly seconds: number
  readonly nanos: number
}

interface RecordedExpiry {
  readonly dataHex: string
  readonly ttl: RecordedTime | null
  readonly expiration: RecordedTime | null
}

interface RecordedCluster {
  readonly id: string
  readonly affiliates: RecordedList<
    RecordedExpiry & { readonly id: string; readonly endpoints: RecordedList<RecordedExpiry> }
  >
}

interface SnapshotCase {
  readonly file?: string
  readonly sizeBytes?: number
  readonly clusters?: RecordedList<RecordedCluster>
  readonly hex?: string
  readonly required?: string
  readonly error?: boolean
  readonly clusterCount?: number
  readonly affiliateCount?: number
  readonly endpointCount?: number
  readonly clustersKeptAfterError?: number
}

export const checkSnapshot: Check<SnapshotCase> = (recorded, readOther) => {
  const { file, sizeBytes, clusters, hex } = recorded
  if (file !== undefined && clusters !== undefined) {
    const bytes = readOther(file)
    if (sizeBytes !== undefined) assert.equal(bytes.length, sizeBytes, 'size')
    const decoded = decodeSnapshot(bytes)
    assert.equal(decoded.error, undefined)
    const shown = decoded.clusters.toSorted(byId).map(shownCluster)
    assert.deepEqual(shown, (clusters ?? []).toSorted(byId).map(recordedCluster))
  } else if (hex !== undefined) checkLoading(recorded, bytesOf(hex))
  else unknownKind(recorded)
}

function checkLoading(recorded: SnapshotCase, bytes: Uint8Array): void {
  const { clusters, error } = decodeSnapshot(bytes)
  const required = recorded.required ?? (recorded.error ? 'error' : 'ok')
  assert.ok(required.split(' or ').includes(error === undefined ? 'ok' : 'error'), `must be: ${required}`)
  const affiliates = clusters.flatMap((cluster) => cluster.affiliates)
  const endpoints = affiliates.flatMap((affiliate) => affiliate.endpoints)
  if (error === undefined && !recorded.error)
    assert.deepEqual(
      { clusterCount: clusters.length, affiliateCount: affiliates.length, endpointCount: endpoints.length },
      {
        clusterCount: recorded.clusterCount,
        affiliateCount: recorded.affiliateCount,
        endpointCount: recorded.endpointCount,
      },
    )
  if (error !== undefined && recorded.error)
    assert.equal(clusters.length, recorded.clustersKeptAfterError, 'clusters kept')
}

/** Whatever a snapshot holds, we write it so that it reads the same. */
export function checkSnapshotFile(bytes: Uint8Array): void {
  const decoded = decodeSnapshot(bytes)
  assert.equal(decoded.error, undefined)
  const again = decodeSnapshot(encodeSnapshot(decoded.clusters))
  assert.deepEqual(again.clusters.map(shownCluster), decoded.clusters.map(shownCluster))
}

const byId = (a: { readonly id: string }, b: { readonly id: string }): number => compareBytes(a.id, b.id)

const shownTime = (time: SnapshotTime | undefined): string | null =>
  time ? `${time.seconds} ${time.nanos}` : null
const recordedTime = (time: RecordedTime | null): string | null =>
  time ? `${time.seconds} ${time.nanos}` : null

const shownCluster = ({ id, affiliates }: SnapshotCluster) => ({
  id,
  affiliates: affiliates.toSorted(byId).map((affiliate) => ({
    ...shownExpiry(affiliate),
    id: affiliate.id,
    endpoints: affiliate.endpoints.map(shownExpiry),
  })),
})

const shownExpiry = ({
  data,
  ttl,
  expiration,
}: SnapshotCluster['affiliates'][number]['endpoints'][number]) => ({
  dataHex: hexOf(data),
  ttl: shownTime(ttl),
  expiration: shownTime(expiration),
})

const recordedCluster = ({ id, affiliates }: RecordedCluster) => ({
  id,
  affiliates: (affiliates ?? []).toSorted(byId).map((affiliate) => ({
    ...recordedExpiry(affiliate),
    id: affiliate.id,
    endpoints: (affiliate.endpoints ?? []).map(recordedExpiry),
  })),
})

const recordedExpiry = ({ dataHex, ttl, expiration }: RecordedExpiry) => ({
  dataHex,
  ttl: recordedTime(ttl),
  expiration: recordedTime(expiration),
})
