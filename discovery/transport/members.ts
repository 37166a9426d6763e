import type { Http2Session, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { UnixMilliseconds } from '../../shared/clock.ts'
import { callOf, SESSION } from '../../shared/identity/write-key.ts'
import { isOwnName, judgeProof, type OwnNames } from '../limits/proofs.ts'
import { andThen, type ClusterKeyState, type Soon } from '../store/store.ts'
import type { Refusal } from '../validation/refusal.ts'
import type { MethodName } from './observe.ts'

/** The proof of membership of a call, and in the answer of Hello what came of it. Who does not know it passes over it. */
export const PROOF_HEADER = 'openspan-proof'

/** A proof as it came with a call. */
export interface CallProof {
  readonly text: string
  /** Where the call says it was sent to. */
  readonly authority: string | undefined
  /** Whether others may call over the same connection, or read along: then a proof counts for its own call only. */
  readonly isForOneCall: boolean
}

export interface MembersOptions {
  readonly wall: () => UnixMilliseconds
  readonly names: () => OwnNames
  /** Whether the connection is that of a proxy. */
  readonly isOfProxy: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean
  /** The write key that the operator has named for the cluster. */
  readonly listedKey: (clusterId: string) => string | undefined
  readonly keyOf: (clusterId: string) => Soon<ClusterKeyState | Refusal>
}

/** By cluster; it goes with its connection. */
const KEYS = Symbol('write keys')
type ProvenSession = Http2Session & { [KEYS]?: Map<string, string> }
/** A node has one cluster. */
const CLUSTERS_PER_SESSION_MAX = 16

/** A call, as far as proofs are concerned. */
export interface ProvenCall {
  readonly method: MethodName
  readonly stream: Pick<ServerHttp2Stream, 'session'>
  proof: CallProof | undefined
  /** Why its proof says nothing. */
  proofProblem: string | undefined
}

/**
 * Who of the callers has proven to be a member of a cluster. Over TLS a proof with Hello counts for all that comes over the same
 * connection, so that nothing else needs to be signed or verified; else each call has its own.
 */
export class Members {
  readonly #options: MembersOptions

  constructor(options: MembersOptions) {
    this.#options = options
  }

  /** Undefined for a call without one, which is nearly every one. */
  proofOf(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): CallProof | undefined {
    const text = headers[PROOF_HEADER]
    if (text === undefined) return undefined
    const isForOneCall = stream.session?.encrypted !== true || this.#options.isOfProxy(stream, headers)
    return { text: String(text), authority: headers[':authority'], isForOneCall }
  }

  /** The write key that the call was proven with; undefined for none. Its message lies in `bytes` from `start` to the end. */
  keyOf(call: ProvenCall, clusterId: string, bytes: Uint8Array, start: number): string | undefined {
    const { proof, method } = call
    const session: ProvenSession | undefined = call.stream.session
    if (proof === undefined) return session?.[KEYS]?.get(clusterId)
    const { wall, names } = this.#options
    const isForSession = method === 'Hello' && !proof.isForOneCall
    const ofCall = isForSession ? [] : [callOf(method, bytes.subarray(start))]
    const verdict = judgeProof(proof.text, {
      clusterId,
      // Who dialled TLS vouches for its connection, and cannot know of a proxy at which that ends.
      whats: method === 'Hello' ? [...ofCall, SESSION] : ofCall,
      isOwnName: (dialled) => isOwnName(dialled, proof.authority, names()),
      now: wall(),
    })
    if ('refused' in verdict) {
      call.proofProblem = verdict.refused
      return undefined
    }
    if (isForSession && session !== undefined) {
      session[KEYS] ??= new Map()
      if (session[KEYS].size < CLUSTERS_PER_SESSION_MAX) session[KEYS].set(clusterId, verdict.key)
    }
    return verdict.key
  }

  /** What Hello says of the proof that came with it: whether it counts, and for what. */
  answerTo({ proof, proofProblem }: ProvenCall, clusterId: string, key: string | undefined): Soon<string> {
    if (key === undefined) return `refused ${proofProblem ?? ''}`
    const scope = proof?.isForOneCall === true ? 'each' : 'session'
    const listed = this.#options.listedKey(clusterId)
    const state = listed === undefined ? this.#options.keyOf(clusterId) : { key: listed, exists: true }
    return andThen(state, (known) => {
      if ('kind' in known) return `unused ${scope}`
      if (known.key === key || (known.key === undefined && !known.exists)) return `accepted ${scope}`
      return known.key === undefined
        ? `unused ${scope}`
        : 'refused it is of another write key than the cluster has here'
    })
  }
}
