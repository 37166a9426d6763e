import { readFile } from 'node:fs/promises'
import { type HostFacts, hostFacts } from './host-facts.ts'
import { parseConfig } from './parse.ts'
import type { Resolved } from './resolve.ts'

/** The configuration cannot be used; the text holds every problem on a line of its own. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const WHY_NOT: Readonly<Record<string, (file: string) => string>> = {
  ENOENT: (file) => `there is no such file; make one with "kubespan gen --file ${file}"`,
  EACCES: (file) =>
    `cannot be read: only root may; for the service: chown root:kubespan ${file} && chmod 0640 ${file}`,
}

/** Reads and checks a configuration file. Throws ConfigError. */
export async function loadConfig(file: string): Promise<Resolved> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError(`${file}: ${WHY_NOT[code ?? '']?.(file) ?? `cannot be read: ${code}`}`)
  }
  return checkConfig(file, text, await hostFacts())
}

/** Throws ConfigError unless the text is a valid configuration. */
export function checkConfig(file: string, text: string, host: HostFacts): Resolved {
  const resolved = parseConfig(file, text, host)
  if (resolved.problems.length > 0) throw new ConfigError(resolved.problems.join('\n'))
  return resolved
}
