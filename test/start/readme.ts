import { readFileSync } from 'node:fs'
import type { Finished } from '../lab/process.ts'
import type { BareMachine } from './bare-machine.ts'

/** The README says to work in a clone, and that services cannot see one in a home directory. */
export const CLONE = '/opt/openspan'

const LIMIT_MS = 300_000
const READY_WITHIN_MS = 30_000

/** What reaches out to where packages come from. Everything else is to work without. */
const INSTALLS = /^(apt-get|npm ci|make) /
/** What stays in the foreground, and what it says once it does its work. */
const STAYS: readonly (readonly [command: RegExp, says: RegExp])[] = [
  [/^bin\/discovery-service /, /discovery service started/],
  [/^bin\/kubespan run\b/, /kubespan daemon started/],
]

/** The commands in the README's code blocks below a heading, in their order, as they are pasted: line by line. */
export function commandsOf(heading: string): readonly string[] {
  const [, section] = readFileSync('README.md', 'utf8').split(`\n## ${heading}\n`)
  if (section === undefined) throw new Error(`README.md has no section "${heading}"`)
  return (section.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.trim())
}

/** Pastes one line in the clone. What stays in the foreground gets a terminal of its own and is waited for. */
export async function paste(machine: BareMachine, line: string): Promise<Finished> {
  const stays = STAYS.find(([command]) => command.test(line))
  if (stays === undefined)
    return machine.shell(line, {
      cwd: CLONE,
      network: INSTALLS.test(line) ? 'host' : 'own',
      timeoutMilliseconds: LIMIT_MS,
      check: false,
    })
  const program = machine.start(line, { cwd: CLONE })
  await program.waitFor(stays[1], READY_WITHIN_MS)
  return { stdout: program.output, stderr: '', code: 0 }
}
