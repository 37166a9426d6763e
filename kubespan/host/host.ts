import { rm, stat } from 'node:fs/promises'
import type { Clock } from '../../shared/clock.ts'
import { type KernelSettings, procSettings } from './kernel-settings.ts'
import { type Runner, type RunnerOptions, ToolRunner } from './runner.ts'

/** Everything of this machine that the daemon looks at or changes, apart from its own files. */
export interface Host extends Runner, KernelSettings {
  readonly clock: Clock
  /** Whether a userspace WireGuard has left, or holds, the control socket of this link. */
  hasSocket(linkName: string): Promise<boolean>
  removeSocket(linkName: string): Promise<void>
}

export interface HostOptions extends RunnerOptions {
  readonly clock: Clock
  /** Fixed in wireguard-go and `wg`; elsewhere only in tests. */
  readonly socketDirectory?: string
  readonly settingsRoot?: string
}

/** The host of the network namespace that this process lives in. */
export function createHost(options: HostOptions): Host {
  const runner = new ToolRunner(options)
  const socketPath = (linkName: string): string =>
    `${options.socketDirectory ?? '/var/run/wireguard'}/${linkName}.sock`
  return {
    clock: options.clock,
    run: (tool, args, input) => runner.run(tool, args, input),
    stream: (tool, args, signal) => runner.stream(tool, args, signal),
    spawnDetached: (tool, args, logName) => runner.spawnDetached(tool, args, logName),
    ...procSettings(options.settingsRoot),
    hasSocket: async (linkName) =>
      await stat(socketPath(linkName)).then(
        () => true,
        () => false,
      ),
    removeSocket: async (linkName) => await rm(socketPath(linkName), { force: true }),
  }
}
