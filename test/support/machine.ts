import { existsSync, realpathSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'

const CHECKOUT = resolve(import.meta.dirname, '../..')

/** PATH as it is outside this checkout, whose own Node and tools may be first on it here. */
export const machinePath = (): readonly string[] =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((directory) => directory !== '' && !directory.startsWith(CHECKOUT))

/** The program on PATH, where it is not one of this checkout. */
export const onMachine = (name: string): string | undefined =>
  [...machinePath(), '/usr/sbin', '/sbin']
    .map((directory) => join(directory, name))
    .find((path) => existsSync(path) && !realpathSync(path).startsWith(CHECKOUT))

/** The environment without what npm and Node have put into it. */
export function machineEnvironment(...firstOnPath: readonly string[]): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/i.test(name))
  return { ...Object.fromEntries(own), PATH: [...firstOnPath, ...machinePath()].join(delimiter) }
}
