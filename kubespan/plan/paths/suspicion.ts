import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { PeerCounters } from '../../model/peer.ts'

export interface SuspicionSettings {
  readonly sampleEvery: Milliseconds
  /** While some peer is in doubt. */
  readonly sampleInDoubtEvery: Milliseconds
  /** Silence in answer to what we send, after which a peer is asked by echo. */
  readonly echoAfter: Milliseconds
  /** Silence after which a peer is suspect that used to answer echoes and does not now. */
  readonly suspectAfter: Milliseconds
  /** The same for a peer that never answered one. WireGuard itself answers data within 10 s. */
  readonly suspectWithoutEchoAfter: Milliseconds
  /** Echoes in a row that must go unanswered, as single packets get lost. */
  readonly unansweredEchoes: number
  /** How long a peer has to show that it is still there, once something says that its path may be another one. */
  readonly recheckWithin: Milliseconds
  /** The same as `unansweredEchoes` where our own network is as it was: others move often, and this must not cost a good path. */
  readonly unansweredByMover: number
  /**
   * A peer is asked by echo that was not heard for so long. Of an idle tunnel one end alone may send the keepalives, each of which puts off
   * the other's; but that end hears a handshake every 120 s, begun by the next keepalive after.
   */
  readonly askAfter: Milliseconds
}

export const SUSPICION: SuspicionSettings = {
  sampleEvery: 5000,
  sampleInDoubtEvery: 1000,
  echoAfter: 2000,
  suspectAfter: 10_000,
  suspectWithoutEchoAfter: 15_000,
  unansweredEchoes: 2,
  recheckWithin: 1500,
  unansweredByMover: 4,
  askAfter: 180_000,
}

/** What is remembered of one peer that is up; a new session begins a new vigil. */
export interface Vigil {
  readonly sampledAt: Instant
  readonly counters: PeerCounters
  /** Something arrived after the first of these moments and not after the second. */
  readonly heardAfter: Instant
  readonly heardBefore: Instant
  /** The samples that have shown that we send, without a gap; undefined while we do not. */
  readonly sending: Sending | undefined
  readonly answersEcho: boolean
  /** Echoes since something last arrived, none of them answered. */
  readonly unanswered: number
  /** Until the peer was heard since. */
  readonly recheck: Recheck | undefined
}

interface Recheck {
  readonly since: Instant
  readonly because: Move
}

/** Whose network has changed, ours or that of the peer: every path may be another one now. */
export type Move = 'we moved' | 'it moved'

interface Sending {
  readonly since: Instant
  readonly lastSeenAt: Instant
  readonly samples: number
}

/**
 * `doubtful`: to be sent an echo, and counters are to be sampled faster. `suspect`: nothing comes through although it should,
 * so another path is to be found at once.
 */
export type Verdict = 'calm' | 'doubtful' | 'suspect'

export const beginVigil = (counters: PeerCounters, now: Instant, answersEcho = false): Vigil => ({
  sampledAt: now,
  counters,
  heardAfter: now,
  heardBefore: now,
  sending: undefined,
  answersEcho,
  unanswered: 0,
  recheck: undefined,
})

/**
 * A packet without content: a header and a tag of 16 bytes each. WireGuard sends one when it has received and had nothing to say for
 * 10 s, so each answered echo is followed by one.
 */
const KEEPALIVE_BYTES = 32

/** Takes in totals that outlive resets (PeerStatus). */
export function sample(
  vigil: Vigil,
  counters: PeerCounters,
  now: Instant,
  { sampleEvery }: SuspicionSettings,
): Vigil {
  const hasSent = counters.transmitBytes - vigil.counters.transmitBytes > KEEPALIVE_BYTES
  const next: Vigil = {
    ...vigil,
    sampledAt: now,
    counters,
    sending: hasSent ? sent(vigil, now) : stillSending(vigil, now, sampleEvery * SENDING_GAP),
  }
  if (counters.receiveBytes <= vigil.counters.receiveBytes) return next
  return { ...next, heardAfter: vigil.sampledAt, heardBefore: now, unanswered: 0, recheck: undefined }
}

/** In units of the sampling interval: slow traffic does not show in every fast sample. */
const SENDING_GAP = 1.5

const sent = ({ sending, sampledAt }: Vigil, now: Instant): Sending => ({
  since: sending?.since ?? sampledAt,
  lastSeenAt: now,
  samples: (sending?.samples ?? 0) + 1,
})

const stillSending = ({ sending }: Vigil, now: Instant, gap: Milliseconds): Sending | undefined =>
  sending !== undefined && now - sending.lastSeenAt <= gap ? sending : undefined

/**
 * The outcome of one echo. An answer also shows in the counters, but here it comes sooner. It begins the question anew
 * whether we are sending: the echo itself shows as sent, and would else cause the next one.
 */
export const noteEcho = (vigil: Vigil, isAnswered: boolean, now: Instant): Vigil =>
  isAnswered
    ? {
        ...vigil,
        heardAfter: now,
        heardBefore: now,
        sending: undefined,
        answersEcho: true,
        unanswered: 0,
        recheck: undefined,
      }
    : { ...vigil, unanswered: vigil.unanswered + 1 }

/** The peer has to show that it is still there. One that moves again and again gets no more time by that. */
export function recheck(vigil: Vigil, because: Move, now: Instant): Vigil {
  if (because === 'we moved') return { ...vigil, unanswered: 0, recheck: { since: now, because } }
  return vigil.recheck === undefined ? { ...vigil, recheck: { since: now, because } } : vigil
}

/**
 * What the silence of a peer means. While we keep sending:
 *
 *     heard        echoAfter          suspectAfter               suspectWithoutEchoAfter
 *     |   calm     |   doubtful       |  suspect if echoes fail  |  suspect if it never answered one
 *
 * Counters tell only between which two samples a peer was last heard. Where echoes speak as well the middle is taken, so that
 * slow sampling does not delay the verdict; where they do not, the peer has the benefit of the doubt.
 *
 * An idle tunnel is legitimately silent, and a single sample with traffic is a handshake. But if the peer moved and its calls do
 * not pass our NAT, then only we can find it. So it is asked when what it publishes changes, or not even handshakes come.
 */
export function judgeVigil(vigil: Vigil, now: Instant, settings: SuspicionSettings): Verdict {
  const { heardBefore, recheck, answersEcho, unanswered } = vigil
  if (recheck?.because === 'we moved') {
    const isOver = now - recheck.since >= settings.recheckWithin
    return isOver && (echoFails(vigil, settings) || !answersEcho) ? 'suspect' : 'doubtful'
  }
  const verdict = judgeTraffic(vigil, now, settings)
  const askedSince = Math.min(recheck?.since ?? Number.POSITIVE_INFINITY, heardBefore + settings.askAfter)
  if (verdict === 'suspect' || now < askedSince) return verdict
  const within = answersEcho ? settings.recheckWithin : settings.suspectWithoutEchoAfter
  return unanswered >= settings.unansweredByMover && now - askedSince >= within ? 'suspect' : 'doubtful'
}

const echoFails = ({ answersEcho, unanswered }: Vigil, { unansweredEchoes }: SuspicionSettings): boolean =>
  answersEcho && unanswered >= unansweredEchoes

function judgeTraffic(vigil: Vigil, now: Instant, settings: SuspicionSettings): Verdict {
  const { heardAfter, heardBefore, sending, answersEcho } = vigil
  if (sending === undefined || sending.samples < 2) return 'calm'
  const silence = (since: Instant): Milliseconds => now - Math.max(since, sending.since)
  if (echoFails(vigil, settings) && silence((heardAfter + heardBefore) / 2) >= settings.suspectAfter)
    return 'suspect'
  if (!answersEcho && silence(heardBefore) >= settings.suspectWithoutEchoAfter) return 'suspect'
  return silence(heardBefore) >= settings.echoAfter ? 'doubtful' : 'calm'
}

/** How long until the counters of a peer are to be sampled again; of many, until those of the one in most doubt are. */
export const sampleAfter = (verdict: Verdict, settings: SuspicionSettings): Milliseconds =>
  verdict === 'calm' ? settings.sampleEvery : settings.sampleInDoubtEvery
