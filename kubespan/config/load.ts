import { readFile } from 'node:fs/promises'
import { hostname, release, type as systemName } from 'node:os'
import { parseConfig } from './parse.ts'
import type { HostFacts, Resolved } from './resolve.ts'

/** The configuration cannot be used; the text holds every problem on a line of its own. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/** Reads and checks a configuration file. Throws ConfigError. */
export async function loadConfig(file: string): Promise<Resolved> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError(
      code === 'ENOENT'
        ? `${file}: there is no such file; make one with "kubespan gen --file ${file}"`
        : `${file}: cannot be read: ${code}`,
    )
  }
  return checkConfig(file, text, await hostFacts())
}

/** Throws ConfigError unless the text is a valid configuration. */
export function checkConfig(file: string, text: string, host: HostFacts): Resolved {
  const resolved = parseConfig(file, text, host)
  if (resolved.problems.length > 0) throw new ConfigError(resolved.problems.join('\n'))
  return resolved
}

/** What the machine says of itself: its name, and the operating system as `NAME (VERSION)` (SPEC 3.4). */
export async function hostFacts(): Promise<HostFacts> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1]
  const name = field('NAME') ?? systemName()
  const version = field('VERSION_ID') ?? release()
  // The DaemonSet sets it from spec.nodeName.
  const nodeName = process.env.NODE_NAME || undefined
  return { hostname: hostname(), operatingSystem: `${name} (${version})`, nodeName }
}
