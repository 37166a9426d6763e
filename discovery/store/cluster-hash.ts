import { createHash } from 'node:crypto'

/** SHA-256 of a cluster id in hex: a name that does not give access to the cluster. */
export const clusterHash = (clusterId: string): string =>
  createHash('sha256').update(clusterId, 'utf8').digest('hex')
