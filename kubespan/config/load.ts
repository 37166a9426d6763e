import { readFile } from 'node:fs/promises'
import { type HostFacts, hostFacts } from './host-facts.ts'
import { parseConfig } from './parse.ts'
import { type Resolved, resolveSettings } from './resolve.ts'

/** The configuration cannot be used; the text holds every problem on a line of its own, and how to mend it where that is known. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** The text without how to mend it. */
  readonly problem: string
  /** How to mend it, where that does not depend on the contents of the file; else empty. */
  readonly remedy: string
  /** What is right in it, and defaults for the rest. */
  readonly usable: Resolved
  readonly isAbsent: boolean

  constructor(problem: string, usable: Resolved, { isAbsent = false, remedy = '' } = {}) {
    super(remedy === '' ? problem : `${problem}; ${remedy}`)
    this.problem = problem
    this.remedy = remedy
    this.usable = usable
    this.isAbsent = isAbsent
  }
}

/** Reads and checks a configuration file. Throws ConfigError. */
export async function loadConfig(file: string): Promise<Resolved> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    const { problem, remedy } = REFUSALS[code] ?? { problem: `cannot be read: ${code}` }
    throw new ConfigError(`${file}: ${problem}`, resolveSettings([], undefined, await hostFacts()), {
      isAbsent: code === 'ENOENT',
      remedy: remedy?.(file) ?? '',
    })
  }
  return checkConfig(file, text, await hostFacts())
}

interface Refusal {
  readonly problem: string
  readonly remedy?: (file: string) => string
}

const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOENT: {
    problem: 'there is no such file',
    remedy: (file) => `make one with "kubespan gen --file ${file}"`,
  },
  EACCES: {
    problem: 'cannot be read: permission denied (EACCES)',
    remedy: (file) => `for the service: chown root:kubespan ${file} && chmod 0640 ${file}`,
  },
  EISDIR: { problem: 'cannot be read: it is a directory (EISDIR)' },
}

/** Throws ConfigError unless the text is a valid configuration. */
export function checkConfig(file: string, text: string, host: HostFacts): Resolved {
  const resolved = parseConfig(file, text, host)
  if (resolved.problems.length > 0) throw new ConfigError(resolved.problems.join('\n'), resolved)
  return resolved
}
