import { constants } from 'node:fs'
import { readFile, rm, stat } from 'node:fs/promises'
import type { Clock } from '../../shared/clock.ts'
import { isAnswered } from '../../shared/unix-socket.ts'
import { type KernelSettings, procSettings } from './kernel-settings.ts'
import { openOwnFile, readOwnFile } from './own-files.ts'
import { type Runner, type RunnerOptions, ToolRunner } from './runner.ts'

/** Everything of this machine that the daemon looks at or changes, apart from its own files. */
export interface Host extends Runner, KernelSettings {
  readonly clock: Clock
  /** Whether a userspace WireGuard has left, or holds, the control socket of this link. */
  hasSocket(linkName: string): Promise<boolean>
  /** Whether a userspace WireGuard listens on it already. */
  isSocketAnswered(linkName: string): Promise<boolean>
  removeSocket(linkName: string): Promise<void>
  /** The TCP sockets of this network namespace, as /proc/net/tcp and tcp6 list them. */
  tcpSockets(): Promise<string>
  /** Empties the log of a detached tool when it has grown beyond a megabyte. */
  limitLog(logName: string): Promise<void>
  /** What that tool said last, undefined when nothing. */
  lastLogLine(logName: string): Promise<string | undefined>
}

export interface HostOptions extends RunnerOptions {
  readonly clock: Clock
  /** Fixed in wireguard-go and `wg`; elsewhere only in tests. */
  readonly socketDirectory?: string
  readonly settingsRoot?: string
}

/** wireguard-go writes a line for each packet that cannot be sent, and the run directory lies in memory. */
const LOG_MAX_BYTES = 1 << 20

/** The host of the network namespace that this process lives in. */
export function createHost(options: HostOptions): Host {
  const runner = new ToolRunner(options)
  const socketPath = (linkName: string): string =>
    `${options.socketDirectory ?? '/var/run/wireguard'}/${linkName}.sock`
  return {
    clock: options.clock,
    run: (tool, args, input) => runner.run(tool, args, input),
    runOften: (tool, args) => runner.runOften(tool, args),
    hasStarted: (pid) => runner.hasStarted(pid),
    stream: (tool, args, signal) => runner.stream(tool, args, signal),
    spawnDetached: (tool, args, logName) => runner.spawnDetached(tool, args, logName),
    ...procSettings(options.settingsRoot),
    hasSocket: async (linkName) =>
      await stat(socketPath(linkName)).then(
        () => true,
        () => false,
      ),
    isSocketAnswered: (linkName) => isAnswered(socketPath(linkName)),
    limitLog: async (logName) => {
      await using log = await openOwnFile(`${options.runDirectory}/${logName}`, constants.O_WRONLY).catch(
        () => undefined,
      )
      // Its writers append, so they go on at the new end.
      if (log !== undefined && (await log.stat()).size > LOG_MAX_BYTES) await log.truncate()
    },
    lastLogLine: async (logName) => {
      const text = await readOwnFile(`${options.runDirectory}/${logName}`).then(String, () => '')
      return text.trimEnd().split('\n').at(-1) || undefined
    },
    tcpSockets: async () =>
      (
        await Promise.all(
          // A kernel without IPv6 has no list of it.
          ['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')),
        )
      ).join(''),
    removeSocket: async (linkName) => await rm(socketPath(linkName), { force: true }),
  }
}
