import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClusterClient } from '../support/cluster-client.ts'

/** What is published: already sealed, bytes as base64. */
export interface Publication {
  readonly endpoint: string
  readonly clusterId: string
  /** Between one and the next, in order; without it they go all at once. A line tells of each when it leaves. */
  readonly pauseMilliseconds?: number
  readonly affiliates: readonly {
    readonly id: string
    readonly data: string
    readonly endpoints: readonly string[]
  }[]
}

const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64')

// Runs where the discovery service can be reached: the account of what to publish comes on standard input.
const { endpoint, clusterId, affiliates, pauseMilliseconds } = JSON.parse(
  await text(process.stdin),
) as Publication
using client = new ClusterClient(endpoint)
const update = ({ id, data, endpoints }: Publication['affiliates'][number]): Promise<unknown> =>
  client.update({
    clusterId,
    affiliateId: id,
    affiliateData: bytes(data),
    affiliateEndpoints: endpoints.map(bytes),
    ttl: { seconds: 1800n, nanos: 0 },
  })
if (pauseMilliseconds === undefined) await Promise.all(affiliates.map(update))
else
  for (const affiliate of affiliates) {
    process.stdout.write(`${Date.now()}\n`)
    await update(affiliate)
    await sleep(pauseMilliseconds)
  }
