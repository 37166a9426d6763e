import { text } from 'node:stream/consumers'
import { ClusterClient } from '../support/cluster-client.ts'

/** What is published: already sealed, bytes as base64. */
export interface Publication {
  readonly endpoint: string
  readonly clusterId: string
  readonly affiliates: readonly {
    readonly id: string
    readonly data: string
    readonly endpoints: readonly string[]
  }[]
}

const bytes = (base64: string): Uint8Array => Buffer.from(base64, 'base64')

// Runs where the discovery service can be reached: the account of what to publish comes on standard input.
const { endpoint, clusterId, affiliates } = JSON.parse(await text(process.stdin)) as Publication
using client = new ClusterClient(endpoint)
await Promise.all(
  affiliates.map(({ id, data, endpoints }) =>
    client.update({
      clusterId,
      affiliateId: id,
      affiliateData: bytes(data),
      affiliateEndpoints: endpoints.map(bytes),
      ttl: { seconds: 1800n, nanos: 0 },
    }),
  ),
)
