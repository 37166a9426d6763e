import type { UnixMilliseconds } from '../../shared/clock.ts'
import { isSigned, readProof } from '../../shared/identity/write-key.ts'

/** How far the clocks of a node and of the service may be apart. */
const SKEW_MAX = 5 * 60_000

export interface ProofContext {
  readonly clusterId: string
  /** What the proof may vouch for, any of these; see `Claim`. */
  readonly whats: readonly string[]
  readonly isOwnName: (dialled: string) => boolean
  readonly now: UnixMilliseconds
}

/** The write key of whoever signed it, or why the proof says nothing here. */
export type ProofVerdict = { readonly key: string } | { readonly refused: string }

/**
 * Judges a proof of membership. A service that is sent one could show it to another: so it names the service that the node
 * dialled, and one that does not go by that name does not believe it. The signature is looked at last, because it costs most.
 */
export function judgeProof(text: string, { clusterId, whats, isOwnName, now }: ProofContext): ProofVerdict {
  const proof = readProof(text)
  if (proof === undefined) return { refused: 'it is of a form that is not known here' }
  if (!isOwnName(proof.authority)) return { refused: 'it is for a service of another name: see -authority' }
  if (Math.abs(now - proof.at) > SKEW_MAX) return { refused: 'its time is more than five minutes from ours' }
  if (!whats.some((what) => isSigned(proof, clusterId, what)))
    return { refused: 'its signature is not right' }
  return { key: proof.publicKey }
}

/** What a service knows of its own names. */
export interface OwnNames {
  /** Those that the operator gave it, each a host with or without a port. */
  readonly given: readonly string[]
  /** Whether the certificate that it shows is for this host; undefined without TLS. */
  readonly certified: ((host: string) => boolean) | undefined
}

/**
 * Whether a node that dialled this meant us: the names that were given decide alone; else those of our certificate, which the
 * node has verified; else, without TLS, what the call says it was sent to, which anybody can say.
 */
export function isOwnName(
  dialled: string,
  told: string | undefined,
  { given, certified }: OwnNames,
): boolean {
  const name = dialled.toLowerCase()
  const host = hostOf(name)
  if (given.length > 0) return given.includes(name) || given.includes(host)
  if (certified !== undefined) return certified(host)
  return name === told?.toLowerCase()
}

/** Without its port, and without the brackets of an IPv6 address. */
const hostOf = (authority: string): string => authority.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')
