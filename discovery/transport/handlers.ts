import type { Clock } from '../../shared/clock.ts'
import { type Address, addressToBytes } from '../../shared/net/address.ts'
import type { Clusters } from '../state/clusters.ts'
import type { Frame } from '../subscription/hub.ts'
import { invalid, type Refusal } from '../validation/refusal.ts'
import {
  type RequestFields,
  refuseAffiliateId,
  refuseClusterId,
  refuseUpdate,
  textOf,
} from '../validation/requests.ts'
import { EMPTY_FRAME, frameMessage, makeFrame } from './frames.ts'
import type { MethodName } from './observe.ts'

/** Whether a cluster may be served, or brought to life, at all; undefined when it may. */
export interface Admission {
  /** Asked for every call. */
  cluster(clusterId: string): Refusal | undefined
  /** Asked for an update to a cluster that does not exist yet. */
  newCluster(clusterId: string, address: Address | undefined): Refusal | undefined
}

export interface HandlerOptions {
  readonly clusters: Clusters
  readonly clock: Clock
  readonly admission: Admission
  /** host:port that Hello sends everybody to; empty for none. */
  readonly redirectEndpoint: string
  readonly reportClientIp: boolean
}

/** A request whose ids are known to be good. */
export interface CheckedRequest {
  readonly clusterId: string
  /** Empty where the method has none. */
  readonly affiliateId: string
  readonly fields: RequestFields
}

const METHODS_WITH_AFFILIATE: ReadonlySet<MethodName> = new Set(['AffiliateUpdate', 'AffiliateDelete'])

/** The five RPCs without their transport: validation → state → answer. Watch is checked here and served by watch.ts. */
export class Handlers {
  readonly #options: HandlerOptions

  constructor(options: HandlerOptions) {
    this.#options = options
  }

  /** SPEC 1.3, in its order. */
  check(method: MethodName, fields: RequestFields): CheckedRequest | Refusal {
    const refusal = refuseClusterId(fields.clusterId)
    if (refusal !== undefined) return refusal
    const clusterId = textOf(fields.clusterId)
    if (clusterId === undefined) return invalid('cluster ID is not valid UTF-8')
    const admitted = this.#options.admission.cluster(clusterId)
    if (admitted !== undefined) return admitted
    if (!METHODS_WITH_AFFILIATE.has(method)) return { clusterId, affiliateId: '', fields }

    const wrong = refuseAffiliateId(fields.affiliateId)
    if (wrong !== undefined) return wrong
    const affiliateId = textOf(fields.affiliateId)
    if (affiliateId === undefined) return invalid('affiliate ID is not valid UTF-8')
    return { clusterId, affiliateId, fields }
  }

  answer(
    method: Exclude<MethodName, 'Watch'>,
    { clusterId, affiliateId, fields }: CheckedRequest,
    address: Address | undefined,
  ): Frame | Refusal {
    const { clusters, clock, admission } = this.#options
    switch (method) {
      case 'Hello':
        return this.#hello(address)
      case 'AffiliateUpdate': {
        const refusal =
          refuseUpdate(fields) ??
          (clusters.has(clusterId) ? undefined : admission.newCluster(clusterId, address)) ??
          clusters.update(clusterId, affiliateId, {
            data: fields.data,
            endpoints: fields.endpoints,
            expiresAt: clock.now() + fields.ttl,
          })
        return refusal ?? EMPTY_FRAME
      }
      case 'AffiliateDelete':
        clusters.delete(clusterId, affiliateId)
        return EMPTY_FRAME
      case 'List':
        return makeFrame(
          Array.from(clusters.affiliatesOf(clusterId).values(), ({ encoded }) => encoded),
          false,
        )
      default:
        return method satisfies never
    }
  }

  /** HelloResponse: 1 redirect { 1 endpoint }, 2 client_ip (SPEC 1.6). */
  #hello(address: Address | undefined): Frame {
    const { redirectEndpoint, reportClientIp } = this.#options
    const parts: Uint8Array[] = []
    if (redirectEndpoint !== '') {
      const endpoint = Buffer.from(redirectEndpoint)
      parts.push(field(0x0a, field(0x0a, endpoint)))
    }
    if (reportClientIp && address !== undefined) parts.push(field(0x12, addressToBytes(address)))
    return frameMessage(Buffer.concat(parts))
  }
}

/** A length-delimited field; the length is never beyond two bytes of varint here. */
function field(tag: number, value: Uint8Array): Uint8Array {
  const length = value.length < 0x80 ? [value.length] : [(value.length & 0x7f) | 0x80, value.length >> 7]
  return Buffer.concat([Uint8Array.of(tag, ...length), value])
}
