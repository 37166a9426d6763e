import { type Privileges, whyNotHeld } from '../host/capabilities.ts'
import type { Program } from '../host/installed.ts'
import { DEBIAN, installCommand, type Packages } from '../host/packages.ts'
import type { ToolReports } from '../host/tool-reports.ts'
import type { Finding } from '../model/finding.ts'
import { checkWireGuard, type WireGuardGround } from './checks/ground.ts'
import { judgeTools } from './checks/tools.ts'

export interface StartFacts {
  readonly enabled: boolean
  readonly programs: ReadonlySet<Program>
  readonly privileges: Privileges
  /** Somebody waits to be told that we are ready. */
  readonly isNotified: boolean
  readonly tools?: ToolReports
  /** Undefined for Debian's. */
  readonly packages?: Packages
  /** Undefined where nothing is known of it. */
  readonly wireguard?: WireGuardGround | undefined
}

/** What the daemon cannot run without and does not find, a line each; empty when it may start. */
export function missingForStart({
  enabled,
  programs,
  privileges,
  isNotified,
  tools = {},
  packages = DEBIAN,
  wireguard,
}: StartFacts): string[] {
  const needed: Program[] = [
    'ip',
    ...(enabled ? (['nft', 'wg'] as const) : []),
    ...(isNotified ? (['systemd-notify'] as const) : []),
  ]
  const isBlocked = (program: Program): boolean =>
    tools[program as keyof ToolReports]?.unusableFile !== undefined
  const missing = needed.filter((program) => !programs.has(program) && !isBlocked(program))
  const reason = enabled ? whyNotHeld(privileges, 'CAP_NET_ADMIN') : undefined
  const faults = [
    ...judgeTools(tools, packages),
    ...(enabled && wireguard !== undefined ? checkWireGuard(wireguard) : []),
  ]
  return [
    ...(missing.length === 0
      ? []
      : [
          `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed: ${installCommand(missing, packages)}`,
        ]),
    ...faults.filter(({ severity }) => severity === 'error').map(inOneLine),
    ...(reason === undefined
      ? []
      : [`${reason}: run as root, or as a service with AmbientCapabilities=CAP_NET_ADMIN`]),
  ]
}

const inOneLine = ({ says, mend }: Finding): string => (mend === undefined ? says : `${says}: ${mend}`)
