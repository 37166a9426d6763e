import { randomBytes } from 'node:crypto'
import type { Affiliate, AffiliateKubeSpan } from '../../shared/affiliate/affiliate.ts'
import { encodeAffiliate, encodeEndpoint } from '../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import { encodeNodeId } from '../../shared/identity/node-id.ts'
import { ULA_PURPOSE, ulaAddress, ulaPrefix } from '../../shared/identity/ula.ts'
import type { Address } from '../../shared/net/address.ts'
import type { ClusterCredentials } from '../lab/node-config.ts'
import { affiliateOf } from '../support/affiliates.ts'
import type { SealedRecord } from './orders.ts'

export type Lie = Partial<Omit<Affiliate, 'kubespan'> & AffiliateKubeSpan> & { readonly nodeId: string }

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** A member with the cluster's secret, which seals whatever it likes. */
export class Liar {
  readonly #key: ClusterKey

  constructor({ clusterSecret }: ClusterCredentials) {
    const key = ClusterKey.fromSecret(clusterSecret)
    if (key === undefined) throw new RangeError('not the secret of a cluster')
    this.#key = key
  }

  /** The record of a node that says this of itself, under its id. */
  seal(lie: Lie): SealedRecord {
    const affiliate = affiliateOf(lie)
    return {
      id: lie.nodeId,
      data: base64(this.#key.sealAffiliate(encodeAffiliate(affiliate))),
      endpoints: affiliate.kubespan.endpoints.map((endpoint) =>
        base64(this.#key.sealEndpoint(encodeEndpoint(endpoint))),
      ),
    }
  }
}

/** A record of a node that is nowhere, with all that a peer needs. */
export const nobody = (clusterId: string): Lie & { readonly publicKey: string } => ({
  nodeId: someNodeId(),
  publicKey: somePublicKey(),
  address: someAddress(clusterId),
})

const someAddress = (clusterId: string): Address => {
  const mac = randomBytes(6).toString('hex').match(/../g)?.join(':') ?? ''
  const address = ulaAddress(ulaPrefix(clusterId, ULA_PURPOSE.kubespan), mac)
  if (address === undefined) throw new RangeError(`${mac} is no MAC`)
  return address
}

export const someNodeId = (): string => encodeNodeId(randomBytes(32))

/** A node id that stands before these. */
export function nodeIdBefore(ids: readonly string[]): string {
  for (;;) {
    const id = someNodeId()
    if (ids.every((other) => id < other)) return id
  }
}

const somePublicKey = (): string => base64(randomBytes(32))
