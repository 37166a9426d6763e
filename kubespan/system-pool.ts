import type { Clock } from '../shared/clock.ts'
import { WriteKey } from '../shared/identity/write-key.ts'
import { ownVersion } from '../shared/version.ts'
import { DiscoveryPool } from './controllers/members/discovery-pool.ts'
import { rootCertificates } from './sources/discovery/certificates.ts'
import { type ClientLog, checkConnectionEvery } from './sources/discovery/client-options.ts'
import { GrpcTransport } from './sources/discovery/grpc.ts'
import { sealFile } from './sources/discovery/own-seals.ts'

export interface SystemPoolOptions {
  readonly clock: Clock
  readonly log: ClientLog
  readonly onChange: () => void
}

/** The discovery services by gRPC, with what is remembered of them in the state directory. */
export const systemPool = (options: SystemPoolOptions): DiscoveryPool =>
  new DiscoveryPool({
    ...options,
    random: Math.random,
    seals: ({ node }) => sealFile(`${node.stateDirectory}/own-records.json`),
    dial: (endpoint, { cluster, timing, node, proxy }) =>
      new GrpcTransport(endpoint, {
        clusterId: cluster?.id ?? '',
        clientVersion: ownVersion(),
        keepalive: checkConnectionEvery(timing.affiliateTtl),
        rootCertificates: () => rootCertificates(node.caFile),
        proxy,
        ...(cluster !== undefined && {
          proofs: { key: WriteKey.of(cluster.key), wall: () => options.clock.wall() },
        }),
      }),
  })
