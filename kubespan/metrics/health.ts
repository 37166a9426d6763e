import type { Milliseconds } from '../../shared/clock.ts'
import type { DaemonView } from '../model/daemon-view.ts'

export interface Health {
  readonly isGood: boolean
  readonly says: string
}

/** Longer than any tool is waited for, several times over: a pass that takes so long will not end. */
export const STUCK_AFTER: Milliseconds = 120_000

/** Whether a restart could help: only a pass that does not end is a reason, not one that fails. */
export const judgeLiveness = (busyFor: Milliseconds): Health =>
  busyFor < STUCK_AFTER
    ? { isGood: true, says: 'ok' }
    : { isGood: false, says: `a pass has been running for ${Math.round(busyFor / 1000)} s` }

/** Whether this host is as the daemon wants it to be. */
export function judgeReadiness({ lastReconcile, hasLeft }: DaemonView): Health {
  if (hasLeft) return { isGood: false, says: 'this node has left the cluster' }
  if (lastReconcile === undefined) return { isGood: false, says: 'the first pass has not ended yet' }
  if (lastReconcile.error !== undefined)
    return { isGood: false, says: `the last pass failed: ${lastReconcile.error}` }
  return { isGood: true, says: 'ready' }
}
