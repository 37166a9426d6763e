import { COMMANDS, OPTIONS, type OptionName } from './commands.ts'
import { RESOURCES } from './resources.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** What may stand behind a command, where that is a fixed set of words. */
const OPERANDS: Readonly<Record<string, readonly string[]>> = {
  get: RESOURCES.map(({ plural }) => plural.toLowerCase()),
  config: ['validate', 'show'],
  explain: ['self'],
  completion: SHELLS,
}

const VALUES: Partial<Record<OptionName, readonly string[]>> = {
  output: ['table', 'json', 'yaml'],
  'log-level': ['debug', 'info', 'warn', 'error'],
}
/** What a command takes beyond that. */
const MORE_VALUES: Readonly<Record<string, Partial<Record<OptionName, readonly string[]>>>> = {
  get: { output: ['wide'] },
}
/** Options whose value is a path. */
const PATHS: readonly OptionName[] = ['config', 'socket', 'file']

const flags = (name: OptionName): string[] => {
  const option: { readonly help: string; readonly short?: string } = OPTIONS[name]
  return [`--${name}`, ...(option.short === undefined ? [] : [`-${option.short}`])]
}

/** `kubespan completion SHELL`: a script for the shell to read at its start. */
export function renderCompletion(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash()
    case 'zsh':
      // zsh understands the functions of bash once it is asked to.
      return `#compdef kubespan\nautoload -U +X bashcompinit && bashcompinit\n${bash()}`
    case 'fish':
      return fish()
    default:
      return shell satisfies never
  }
}

/** Cases of a shell: words that are the same for several options share a line. */
const cases = (entries: readonly (readonly [string, string])[], indent: string): string =>
  entries.map(([pattern, action]) => `${indent}${pattern}) ${action} ;;\n`).join('')

function bash(): string {
  const names = COMMANDS.map(({ name }) => name).join(' ')
  const values = [
    ...Object.entries(VALUES).map(
      ([name, words]) =>
        [flags(name as OptionName).join('|'), bashWords(name as OptionName, words)] as [string, string],
    ),
    [PATHS.flatMap(flags).join('|'), 'COMPREPLY=($(compgen -f -- "$current")); return'] as [string, string],
  ]
  const operands = COMMANDS.map(({ name, options }): [string, string] => {
    const words = [...(OPERANDS[name] ?? []), ...options.flatMap(flags), '--help']
    return [name, `words='${words.join(' ')}'`]
  })
  return `_kubespan() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=''
  if [ "$COMP_CWORD" -eq 1 ]; then
    words='${names} --help --version'
  else
    case "$previous" in
${cases(values, '      ')}      *) case "\${COMP_WORDS[1]}" in
${cases(operands, '        ')}      esac ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _kubespan kubespan
`
}

function bashWords(option: OptionName, words: readonly string[]): string {
  const more = Object.entries(MORE_VALUES).flatMap(([command, values]) =>
    values[option] === undefined
      ? []
      : [`; [ "\${COMP_WORDS[1]}" != ${command} ] || words="$words ${values[option].join(' ')}"`],
  )
  return `words='${words.join(' ')}'${more.join('')}`
}

function fish(): string {
  const quote = (text: string): string => `'${text.replace(/(['\\])/g, '\\$1')}'`
  const lines = COMMANDS.flatMap(({ name, summary, options }) => [
    `complete -c kubespan -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    ...(OPERANDS[name] === undefined
      ? []
      : [
          `complete -c kubespan -n '__fish_seen_subcommand_from ${name}' -f -a ${quote(OPERANDS[name].join(' '))}`,
        ]),
    ...options.map((option) => fishOption(name, option, quote)),
  ])
  return `${lines.join('\n')}\n`
}

function fishOption(command: string, name: OptionName, quote: (text: string) => string): string {
  const option: { readonly short?: string; readonly type: string; readonly help: string } = OPTIONS[name]
  const known = VALUES[name]
  const words = known && [...known, ...(MORE_VALUES[command]?.[name] ?? [])]
  return [
    `complete -c kubespan -n '__fish_seen_subcommand_from ${command}'`,
    `-l ${name}`,
    ...(option.short === undefined ? [] : [`-s ${option.short}`]),
    ...(option.type === 'string' ? ['-r'] : []),
    ...(words === undefined ? [] : [`-f -a ${quote(words.join(' '))}`]),
    ...(PATHS.includes(name) ? ['-F'] : []),
    `-d ${quote(option.help)}`,
  ].join(' ')
}
