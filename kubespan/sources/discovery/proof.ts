import type { UnixMilliseconds } from '../../../shared/clock.ts'
import { callOf, SESSION, type WriteKey } from '../../../shared/identity/write-key.ts'
import type { ProofAnswer } from '../../model/proof-answer.ts'

/** The proof of membership of a call, and in the answer of Hello what came of it. Other services pass over it. */
export const PROOF_HEADER = 'openspan-proof'

export interface ProverOptions {
  readonly key: WriteKey
  readonly clusterId: string
  /** host:port as we dial it. */
  readonly authority: string
  readonly plaintext: boolean
  readonly wall: () => UnixMilliseconds
}

/**
 * Proves to one service, on one connection, that we are a member. Where nobody else can read or use the connection, the proof of
 * Hello is enough; the service says where it is not, because a proxy lies between. In plaintext each call has its own.
 */
export class Prover {
  readonly #options: ProverOptions
  #isForEach: boolean

  constructor(options: ProverOptions) {
    this.#options = options
    this.#isForEach = options.plaintext
  }

  /** What the call is to carry; undefined for nothing. */
  proofOf(method: string, message: Uint8Array): string | undefined {
    const { key, clusterId, authority, plaintext, wall } = this.#options
    const isSession = method === 'Hello' && !plaintext
    if (!isSession && !this.#isForEach) return undefined
    const what = isSession ? SESSION : callOf(method, message)
    return key.prove({ clusterId, authority, at: wall(), what })
  }

  /** What Hello was answered, as it came. */
  heard(answer: string | undefined): void {
    this.#isForEach = this.#options.plaintext || answer?.endsWith(' each') === true
  }
}

const WHY_MAX_LENGTH = 200

/** What the words of a service mean; it may say anything. */
export function readProofAnswer(answer: string | undefined): ProofAnswer | undefined {
  const [word = '', ...rest] = answer?.split(' ') ?? []
  switch (word) {
    case 'accepted':
    case 'unused':
      return { kind: word }
    case 'refused':
      return {
        kind: word,
        why: rest
          .join(' ')
          .replace(/[^\x20-\x7e]/g, '')
          .slice(0, WHY_MAX_LENGTH),
      }
    default:
      return undefined
  }
}
