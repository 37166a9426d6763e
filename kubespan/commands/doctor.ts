import { systemClock } from '../../shared/clock.ts'
import { renderFindings } from '../cli/findings.ts'
import { ConfigError, loadConfig } from '../config/load.ts'
import type { Resolved } from '../config/resolve.ts'
import { ControlClient, NotRunningError } from '../control/client.ts'
import { diagnose } from '../doctor/diagnose.ts'
import { type DoctorConfig, observeFacts } from '../doctor/observe.ts'
import { systemWorld } from '../doctor/world.ts'
import { createHost } from '../host/host.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import type { Finding } from '../model/finding.ts'
import { type Settings, socketPath } from '../model/settings.ts'

export interface Diagnosis {
  readonly findings: readonly Finding[]
  readonly text: string
  readonly hasErrors: boolean
}

/** `kubespan doctor`: looks at this host, with or without a daemon on it, and changes nothing. */
export async function examine(configFile: string, socket: string | undefined): Promise<Diagnosis> {
  const { fact, settings } = await readConfig(configFile)
  const host = createHost({ clock: systemClock, runDirectory: settings.node.runDirectory })
  const world = systemWorld(host, () => askDaemon(socket, settings))
  const findings = diagnose(await observeFacts(world, { fact, settings }))
  return {
    findings,
    text: renderFindings(findings),
    hasErrors: findings.some(({ severity }) => severity === 'error'),
  }
}

/** A configuration that cannot be used is a finding; the rest of the host is looked at all the same. */
export async function readConfig(file: string): Promise<DoctorConfig & Pick<Resolved, 'origin'>> {
  try {
    const { settings, warnings, origin } = await loadConfig(file)
    return { fact: { file, problem: undefined, warnings }, settings, origin }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const { settings, origin } = error.usable
    return { fact: { file, problem: error.message, warnings: [] }, settings, origin }
  }
}

export async function askDaemon(
  named: string | undefined,
  settings: Settings,
): Promise<DaemonView | undefined> {
  try {
    return await new ControlClient(named ?? socketPath(settings)).view()
  } catch (error) {
    if (error instanceof NotRunningError) return undefined
    throw error
  }
}
