import { type Privileges, whyNotHeld } from '../host/capabilities.ts'
import { PACKAGES, type Program } from '../host/installed.ts'

export interface StartFacts {
  readonly enabled: boolean
  readonly programs: ReadonlySet<Program>
  readonly privileges: Privileges
  /** Somebody waits to be told that we are ready. */
  readonly isNotified: boolean
}

/** What the daemon cannot run without and does not find, a line each; empty when it may start. */
export function missingForStart({ enabled, programs, privileges, isNotified }: StartFacts): string[] {
  const needed: Program[] = [
    'ip',
    ...(enabled ? (['nft', 'wg'] as const) : []),
    ...(isNotified ? (['systemd-notify'] as const) : []),
  ]
  const missing = needed.filter((program) => !programs.has(program))
  const reason = enabled ? whyNotHeld(privileges, 'CAP_NET_ADMIN') : undefined
  return [
    ...(missing.length === 0
      ? []
      : [
          `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed: apt-get install ${missing.map((program) => PACKAGES[program]).join(' ')}`,
        ]),
    ...(reason === undefined
      ? []
      : [`${reason}: run as root, or as a service with AmbientCapabilities=CAP_NET_ADMIN`]),
  ]
}
