import { constants } from 'node:fs/promises'
import { findFile } from './installed.ts'
import { type Runner, SYSTEM_PATH } from './runner.ts'
import { ToolError } from './tool-error.ts'

/** What one of the tools that the daemon stands on answered to a question that tells whether it will do. */
export interface ToolReport {
  /** What is started under this name; undefined when nothing is. */
  readonly file: string | undefined
  /** There is such a file, and it may not be started. */
  readonly unusableFile: string | undefined
  /** Undefined when it was not asked, or did not end in time. */
  readonly answer:
    | { readonly exitCode: number | undefined; readonly stdout: string; readonly stderr: string }
    | undefined
}

/** Tools without which there is no mesh. */
export const TOOLS = ['ip', 'nft', 'wg'] as const
export type NeededTool = (typeof TOOLS)[number]
export type ToolReports = Readonly<Partial<Record<NeededTool, ToolReport>>>

/**
 * Looks that change nothing. `wg` is given a line that it cannot read for a link that is not there: it opens its input, and goes no
 * further, not even to the kernel.
 */
const QUESTIONS: Readonly<Record<NeededTool, { readonly args: readonly string[]; readonly input?: string }>> =
  {
    ip: { args: ['-json', '-N', '-4', 'rule', 'show'] },
    nft: { args: ['-j', '-t', '-y', 'list', 'tables'] },
    wg: { args: ['addconf', 'openspan-none', '/dev/stdin'], input: '?\n' },
  }

/** Asks all of them at once, which takes a few milliseconds. */
export async function observeTools(
  runner: Pick<Runner, 'run'>,
  names: readonly NeededTool[] = TOOLS,
  path: string = SYSTEM_PATH,
): Promise<ToolReports> {
  const reports = names.map(async (name) => [name, await observeTool(runner, name, path)] as const)
  return Object.fromEntries(await Promise.all(reports))
}

async function observeTool(runner: Pick<Runner, 'run'>, name: NeededTool, path: string): Promise<ToolReport> {
  const file = await findFile(name, constants.X_OK, path)
  if (file === undefined)
    return { file, unusableFile: await findFile(name, constants.F_OK, path), answer: undefined }
  const { args, input } = QUESTIONS[name]
  return { file, unusableFile: undefined, answer: await ask(runner, name, args, input) }
}

async function ask(
  runner: Pick<Runner, 'run'>,
  name: NeededTool,
  args: readonly string[],
  input: string | undefined,
): Promise<ToolReport['answer']> {
  try {
    return { exitCode: 0, stdout: await runner.run(name, args, input), stderr: '' }
  } catch (error) {
    if (!(error instanceof ToolError) || error.kind === 'timeout' || error.kind === 'missing')
      return undefined
    return { exitCode: error.exitCode, stdout: '', stderr: error.stderr }
  }
}
