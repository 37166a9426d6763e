import type { Clock } from '../../shared/clock.ts'
import { type Address, addressToBytes } from '../../shared/net/address.ts'
import { fieldLength, writeHead } from '../state/affiliate-bytes.ts'
import type { Clusters } from '../state/clusters.ts'
import type { Frame } from '../subscription/watcher.ts'
import type { Refusal } from '../validation/refusal.ts'
import {
  type CheckedRequest,
  type Request,
  refuseAffiliate,
  refuseCluster,
  refuseUpdate,
  refuseVersion,
} from '../validation/requests.ts'
import { EMPTY_FRAME, makeFrame } from './frames.ts'
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

/** The RPCs without their transport: validation → state → answer. Watch is checked here and served by watch.ts. */
export class Handlers {
  readonly #options: HandlerOptions
  readonly #redirect: Uint8Array

  constructor(options: HandlerOptions) {
    this.#options = options
    this.#redirect = encodeRedirect(options.redirectEndpoint)
  }

  /** Undefined when the request may be answered; its ids are good then. */
  refuse(method: MethodName, request: Request): Refusal | undefined {
    const refusal = refuseCluster(request)
    if (refusal !== undefined) return refusal
    const forbidden = this.#options.admission.cluster(request.clusterId as string)
    if (forbidden !== undefined) return forbidden
    switch (method) {
      case 'Hello':
        return refuseVersion(request)
      case 'AffiliateUpdate':
        return refuseAffiliate(request) ?? refuseUpdate(request)
      case 'AffiliateDelete':
        return refuseAffiliate(request)
      case 'List':
      case 'Watch':
        return undefined
      default:
        return method satisfies never
    }
  }

  /** For a request that was not refused. */
  answer(
    method: Exclude<MethodName, 'Watch'>,
    request: CheckedRequest,
    address: Address | undefined,
  ): Frame | Refusal {
    const { clusters } = this.#options
    switch (method) {
      case 'Hello':
        return this.#hello(address)
      case 'AffiliateUpdate':
        return this.#update(request, address)
      case 'AffiliateDelete':
        clusters.delete(request.clusterId, request.affiliateId)
        return EMPTY_FRAME
      case 'List':
        return makeFrame(
          Array.from(clusters.affiliatesOf(request.clusterId).values(), ({ encoded }) => encoded),
          false,
        )
      default:
        return method satisfies never
    }
  }

  #update(
    { clusterId, affiliateId, data, endpoints, ttl }: CheckedRequest,
    address: Address | undefined,
  ): Frame | Refusal {
    const { clusters, clock, admission } = this.#options
    if (!clusters.has(clusterId)) {
      const refusal = admission.newCluster(clusterId, address)
      if (refusal !== undefined) return refusal
    }
    const receivedAt = clock.now()
    const update = { data, endpoints, expiresAt: receivedAt + ttl, receivedAt }
    return clusters.update(clusterId, affiliateId, update) ?? EMPTY_FRAME
  }

  /** SPEC 1.6. */
  #hello(address: Address | undefined): Frame {
    const isReported = this.#options.reportClientIp && address !== undefined
    const clientIp = isReported ? encodeField(CLIENT_IP, addressToBytes(address)) : NOTHING
    return makeFrame([this.#redirect, clientIp], false)
  }
}

const NOTHING = new Uint8Array(0)

/** HelloResponse.redirect, RedirectMessage.endpoint and HelloResponse.client_ip. */
const REDIRECT = 0x0a
const REDIRECT_ENDPOINT = 0x0a
const CLIENT_IP = 0x12

const encodeRedirect = (endpoint: string): Uint8Array =>
  endpoint === ''
    ? NOTHING
    : encodeField(REDIRECT, encodeField(REDIRECT_ENDPOINT, new TextEncoder().encode(endpoint)))

function encodeField(tag: number, value: Uint8Array): Uint8Array {
  const field = new Uint8Array(fieldLength(value.length))
  field.set(value, writeHead(field, 0, tag, value.length))
  return field
}
