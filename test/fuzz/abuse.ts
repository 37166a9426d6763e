import type { Random } from './random.ts'
import type { ProbedService } from './service.ts'

/** What an abuse is done with. */
export interface Ground {
  readonly service: ProbedService
  readonly random: Random
  /** 1 in the short form; how much more in the long one. */
  readonly scale: number
}

/** Something that no honest client does. It throws when the service does not answer it as it should. */
export interface Abuse {
  readonly what: string
  readonly run: (ground: Ground) => Promise<void>
}

/** Short enough that a test sees them pass. The service is the same one that users run otherwise. */
export const IMPATIENT_FLAGS = [
  '-rate-limit=0',
  '-gc-interval=500ms',
  '-header-timeout=1s',
  '-keepalive-idle=500ms',
  '-keepalive-timeout=1s',
  '-watch-stall-timeout=2s',
] as const
