import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ProcessGroup, TOOL_PATH } from './process.ts'

/** Where `ip netns` keeps the names. */
const NAMESPACE_DIRECTORY = '/run/netns'

/** A lab's id is `PREFIX.PID.N`; its namespaces are called `ID.BOX`, and its files are in one directory. */
export const labDirectory = (id: string): string => join(tmpdir(), `openspan-lab-${id}`)

export const namespacesOf = (id: string): string[] =>
  list(NAMESPACE_DIRECTORY).filter((name) => name.startsWith(`${id}.`))

/**
 * Takes a lab down: ends what was started for it and every process inside its namespaces, no other, then removes the
 * namespaces, with them their links, rules and tables, and its files. Synchronous, because it also runs while the
 * process exits.
 */
export function removeLab(id: string): void {
  active.get(id)?.killAll()
  const namespaces = namespacesOf(id)
  // A process that is ended may have been about to start another one.
  for (let round = 0; round < KILL_ROUNDS && killInside(namespaces) > 0; round += 1);
  if (namespaces.length > 0)
    spawnSync('ip', ['-batch', '-'], {
      input: namespaces.map((name) => `netns delete ${name}\n`).join(''),
      env: { ...process.env, PATH: TOOL_PATH },
    })
  rmSync(labDirectory(id), { recursive: true, force: true })
}

const KILL_ROUNDS = 10

function killInside(namespaces: readonly string[]): number {
  const pids = processesInside(namespaceInodes(namespaces))
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // it ended by itself
    }
  }
  return pids.length
}

export const namespaceInodes = (namespaces: readonly string[]): string[] => namespaces.map(inodeOf)

/** The processes whose network is one of these namespaces (given as inodes), zombies excepted. */
export function processesInside(namespaceInodes: readonly string[]): number[] {
  const inodes = new Set(namespaceInodes)
  return list('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return inodes.has(readlinkSync(`/proc/${pid}/ns/net`).replace(/\D/g, ''))
      } catch {
        return false // gone, or a zombie: it has no namespaces any more
      }
    })
    .map(Number)
}

export function inodeOf(namespace: string): string {
  try {
    return String(statSync(join(NAMESPACE_DIRECTORY, namespace)).ino)
  } catch {
    return 'gone'
  }
}

/** The ids of labs with this prefix whose process is no more, however it ended. */
export function abandonedLabs(prefix: string): string[] {
  const ids = new Set<string>()
  const pattern = /^(?:openspan-lab-)?(([a-z0-9-]+)\.(\d+)\.\d+)(?:\.|$)/
  for (const name of [...list(NAMESPACE_DIRECTORY), ...list(tmpdir())]) {
    const [, id, foundPrefix, pid] = pattern.exec(name) ?? []
    if (id !== undefined && foundPrefix === prefix && !isInUse(id, Number(pid))) ids.add(id)
  }
  return [...ids]
}

/** A lab of our own number that we do not know belongs to a process that had the number before. */
const isInUse = (id: string, pid: number): boolean =>
  pid === process.pid ? active.has(id) : existsSync(`/proc/${pid}`)

const list = (directory: string): string[] => {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}

const active = new Map<string, ProcessGroup>()

/** From now on the lab is also removed when this process exits or is told to. */
export function guardLab(id: string, started: ProcessGroup): void {
  if (active.size === 0) {
    process.on('exit', removeActive)
    for (const [signal] of FATAL_SIGNALS) process.on(signal, exitOnSignal)
  }
  active.set(id, started)
}

export function unguardLab(id: string): void {
  active.delete(id)
  if (active.size > 0) return
  process.off('exit', removeActive)
  for (const [signal] of FATAL_SIGNALS) process.off(signal, exitOnSignal)
}

const FATAL_SIGNALS = [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const

const removeActive = (): void => [...active.keys()].forEach(removeLab)

/** Somebody else who listens to the signal takes care of it, and of how the process ends. */
function exitOnSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  process.exit(FATAL_SIGNALS.find(([name]) => name === signal)?.[1] ?? 1)
}
