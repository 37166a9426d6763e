import { parseArgs } from 'node:util'
import { COMMANDS, type CommandHelp, OPTIONS, type OptionName } from './commands.ts'

export type Options = {
  readonly [K in OptionName]?: (typeof OPTIONS)[K]['type'] extends 'string' ? string : boolean
}

export interface Invocation {
  readonly command: CommandHelp | undefined
  readonly options: Options
  readonly operands: readonly string[]
}

/** The command line is wrong: exit status 2, and the text says where. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What the command line asks for. Throws UsageError. */
export function parseInvocation(argv: readonly string[]): Invocation {
  const [name, ...rest] = argv
  const isCommand = name !== undefined && !name.startsWith('-')
  const command = isCommand ? COMMANDS.find((candidate) => candidate.name === name) : undefined
  if (isCommand && command === undefined && name !== 'help')
    throw new UsageError(`there is no command ${name}; there are: ${COMMANDS.map((c) => c.name).join(', ')}`)
  const names: readonly OptionName[] = [...(command?.options ?? ['version' as const]), 'help']
  try {
    const { values, positionals } = parseArgs({
      args: isCommand ? rest : [...argv],
      options: Object.fromEntries(
        names.map((option) => {
          const { type, short }: { type: 'string' | 'boolean'; short?: string } = OPTIONS[option]
          return [option, short === undefined ? { type } : { type, short }]
        }),
      ),
      allowPositionals: true,
    })
    if (
      positionals.length > (command?.arguments.split(' ').filter((word) => word !== '').length ?? 0) &&
      name !== 'help'
    )
      throw new UsageError(`${name} does not take "${positionals.at(-1)}"`)
    return { command, options: values as Options, operands: positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}
