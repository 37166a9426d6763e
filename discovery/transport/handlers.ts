import { type Address, addressToBytes } from '../../shared/net/address.ts'
import type { Proven } from '../limits/admission.ts'
import { originOf } from '../limits/origin.ts'
import { type Affiliate, fieldLength, writeHead } from '../state/affiliate-bytes.ts'
import { NOBODY, type Writer } from '../state/rights.ts'
import { andThen, type Soon, type Store } from '../store/store.ts'
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
  /** Asked for every call, with the write key that it was proven with. */
  cluster(clusterId: string, proven: Proven): Refusal | undefined
  /** The write key that the operator has named for the cluster. */
  keyOf(clusterId: string): string | undefined
  /** Asked for an update to a cluster that does not exist yet. */
  newCluster(clusterId: string, address: Address | undefined): Soon<Refusal | undefined>
}

/** What is known of who calls. */
export interface Caller {
  readonly address: Address | undefined
  /** The write key that the call was proven with. */
  readonly key: string | undefined
}

export interface HandlerOptions {
  readonly store: Store
  readonly admission: Admission
  /** host:port that Hello sends everybody to; empty for none. */
  readonly redirectEndpoint: string
  readonly reportClientIp: boolean
}

/** The RPCs without their transport: validation → store → answer. Watch is checked here and served by watch.ts. */
export class Handlers {
  readonly #options: HandlerOptions
  readonly #redirect: Uint8Array

  constructor(options: HandlerOptions) {
    this.#options = options
    this.#redirect = encodeRedirect(options.redirectEndpoint)
  }

  /** Undefined when the request may be answered; its ids are good then. */
  refuse(method: MethodName, request: Request, proven: Proven): Refusal | undefined {
    const refusal = refuseCluster(request)
    if (refusal !== undefined) return refusal
    const forbidden = this.refuseCluster(request.clusterId as string, proven)
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

  /** Whether the cluster is served; asked again where that took time. */
  refuseCluster(clusterId: string, proven: Proven): Refusal | undefined {
    return this.#options.admission.cluster(clusterId, proven)
  }

  /** For a request that was not refused. */
  answer(
    method: Exclude<MethodName, 'Watch'>,
    request: CheckedRequest,
    caller: Caller,
  ): Soon<Frame | Refusal> {
    const { store } = this.#options
    switch (method) {
      case 'Hello':
        return this.#hello(caller.address)
      case 'AffiliateUpdate':
        return this.#update(request, caller)
      case 'AffiliateDelete':
        return andThen(
          store.delete(request.clusterId, request.affiliateId, this.#writer(request.clusterId, caller)),
          (deleted) => (typeof deleted === 'boolean' ? EMPTY_FRAME : deleted),
        )
      case 'List':
        return andThen(store.list(request.clusterId), (found) =>
          'kind' in found ? found : makeFrame(Array.from(found.values(), encodedOf), false),
        )
      default:
        return method satisfies never
    }
  }

  #update(
    { clusterId, affiliateId, data, endpoints, ttl }: CheckedRequest,
    caller: Caller,
  ): Soon<Frame | Refusal> {
    const { store, admission } = this.#options
    const { address } = caller
    const receivedAt = store.now()
    const origin = address && originOf(address)
    const update = {
      data,
      endpoints,
      expiresAt: receivedAt + ttl,
      receivedAt,
      origin,
      writer: this.#writer(clusterId, caller),
    }
    const refusal = store.update(clusterId, affiliateId, update, () =>
      admission.newCluster(clusterId, address),
    )
    return refusal instanceof Promise ? refusal.then(frameOf) : frameOf(refusal)
  }

  #writer(clusterId: string, { key }: Caller): Writer {
    const listed = this.#options.admission.keyOf(clusterId)
    return key === undefined && listed === undefined ? NOBODY : { key, listed }
  }

  /** SPEC 1.6. */
  #hello(address: Address | undefined): Frame {
    const isReported = this.#options.reportClientIp && address !== undefined
    const clientIp = isReported ? encodeField(CLIENT_IP, addressToBytes(address)) : NOTHING
    return makeFrame([this.#redirect, clientIp], false)
  }
}

const encodedOf = ({ encoded }: Affiliate): Uint8Array => encoded
const frameOf = (refusal: Refusal | undefined): Frame | Refusal => refusal ?? EMPTY_FRAME

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
