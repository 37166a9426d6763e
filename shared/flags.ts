import type { Milliseconds } from './clock.ts'
import { formatDuration, parseDuration } from './duration.ts'

/** One setting that can be given as `-name value`, as an environment variable, or not at all. */
export interface Flag<T> {
  readonly help: string
  readonly default: T
  /** Stands for the value in the help; empty for booleans, which need none. */
  readonly placeholder: string
  /** Completes "is not …". */
  readonly allowed: string
  readonly isBoolean: boolean
  readonly parse: (text: string) => T | undefined
  readonly format: (value: T) => string
}

/** By their names in the code: `gcInterval` is `-gc-interval`, and `<PREFIX>GC_INTERVAL` in the environment. */
// biome-ignore lint/suspicious/noExplicitAny: each flag has a type of its own, and Flag<T> takes T as well as giving it
export type FlagDeclarations = Readonly<Record<string, Flag<any>>>

export type FlagValues<D extends FlagDeclarations> = {
  readonly [K in keyof D]: D[K] extends Flag<infer T> ? T : never
}

export interface FlagInput {
  /** Name of the program, for its help. */
  readonly program: string
  /** One line that says what it does. */
  readonly about?: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly environmentPrefix: string
  /** Words for what may follow the flags, such as `command [argument…]`. Without it nothing may. */
  readonly operands?: string
}

export type FlagReading<D extends FlagDeclarations> =
  | { readonly kind: 'values'; readonly values: FlagValues<D>; readonly operands: readonly string[] }
  | { readonly kind: 'help'; readonly text: string }
  /** To be said on standard error; the program then exits with status 2. */
  | { readonly kind: 'error'; readonly flag: string; readonly message: string }

const WHOLE_NUMBER = /^\d{1,15}$/
/** The spellings of Go's flag package. */
const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

const parseBoolean = (text: string): boolean | undefined =>
  TRUE.has(text) ? true : FALSE.has(text) ? false : undefined

/** Kinds of flags. */
export const flag = {
  /** Anything that `parse` understands. */
  parsed: <T>(
    value: T,
    help: string,
    kind: Pick<Flag<T>, 'placeholder' | 'allowed' | 'parse' | 'format'>,
  ): Flag<T> => ({ default: value, help, isBoolean: false, ...kind }),

  text: (value: string, help: string, placeholder = 'TEXT'): Flag<string> =>
    flag.parsed(value, help, { placeholder, allowed: 'a text', parse: String, format: String }),

  boolean: (value: boolean, help: string): Flag<boolean> => ({
    ...flag.parsed(value, help, {
      placeholder: '',
      allowed: 'true or false',
      parse: parseBoolean,
      format: String,
    }),
    isBoolean: true,
  }),

  /** Positive, unless `least` says otherwise. */
  duration: (value: Milliseconds, help: string, least: Milliseconds = 1): Flag<Milliseconds> =>
    flag.parsed(value, help, {
      placeholder: 'DURATION',
      allowed: `a duration such as 30s or 1h30m, at least ${formatDuration(least)}`,
      parse: (text) => atLeast(parseDuration(text), least),
      format: formatDuration,
    }),

  wholeNumber: (value: number, help: string, range: { least: number; most: number }): Flag<number> =>
    flag.parsed(value, help, {
      placeholder: 'NUMBER',
      allowed: `a whole number from ${range.least} to ${range.most}`,
      parse: (text) => {
        const number = WHOLE_NUMBER.test(text) ? atLeast(Number(text), range.least) : undefined
        return number === undefined || number > range.most ? undefined : number
      },
      format: String,
    }),

  choice: <const T extends string>(value: NoInfer<T>, help: string, choices: readonly T[]): Flag<T> =>
    flag.parsed<T>(value, help, {
      placeholder: choices.join('|'),
      allowed: `one of ${choices.join(', ')}`,
      parse: (text) => choices.find((choice) => choice === text),
      format: String,
    }),

  /** Items separated by commas; the empty text is the empty list. */
  list: <T>(
    value: readonly T[],
    help: string,
    item: Pick<Flag<T>, 'placeholder' | 'allowed' | 'parse' | 'format'>,
  ): Flag<readonly T[]> =>
    flag.parsed(value, help, {
      placeholder: `${item.placeholder},…`,
      allowed: `a list, separated by commas, of ${item.allowed}`,
      parse: (text) => {
        const items = text === '' ? [] : text.split(',').map((part) => item.parse(part.trim()))
        return items.every((parsed) => parsed !== undefined) ? items : undefined
      },
      format: (items) => items.map(item.format).join(','),
    }),
}

const atLeast = (value: number | undefined, least: number): number | undefined =>
  value === undefined || value < least ? undefined : value

/** The name of a setting outside the code: `gcInterval` is `gc-interval`. */
export const kebabOf = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
const variableOf = (prefix: string, key: string): string =>
  prefix + kebabOf(key).replaceAll('-', '_').toUpperCase()

class FlagError extends Error {
  readonly flag: string

  constructor(name: string, message: string) {
    super(message)
    this.flag = name
  }
}

/**
 * Reads settings from arguments, else from the environment (where an empty variable counts as none), else by default.
 * The syntax is that of Go's flag package: `-x` and `--x`, `-x=v` and `-x v`, booleans `-x` and `-x=false`, the last
 * one of several wins, and flags end at `--` or at the first argument that is none.
 */
export function readFlags<D extends FlagDeclarations>(declarations: D, input: FlagInput): FlagReading<D> {
  try {
    const { given, operands, wantsHelp } = scan(declarations, input.arguments)
    if (wantsHelp) return { kind: 'help', text: helpText(declarations, input) }
    if (operands[0] !== undefined && input.operands === undefined)
      throw new FlagError(operands[0], `unexpected argument "${operands[0]}" (a boolean is written -x=false)`)
    const values: Record<string, unknown> = {}
    for (const [key, declared] of Object.entries(declarations)) {
      const variable = variableOf(input.environmentPrefix, key)
      const fromEnvironment = input.environment[variable]
      const text = given.get(key)
      if (text !== undefined) values[key] = readValue(declared, `-${kebabOf(key)}`, text)
      else if (fromEnvironment) values[key] = readValue(declared, variable, fromEnvironment)
      else values[key] = declared.default
    }
    return { kind: 'values', values: Object.freeze(values) as FlagValues<D>, operands }
  } catch (error) {
    if (error instanceof FlagError) return { kind: 'error', flag: error.flag, message: error.message }
    throw error
  }
}

function readValue<T>(declared: Flag<T>, name: string, text: string): T {
  const value = declared.parse(text)
  if (value === undefined) throw new FlagError(name, `${name}: "${text}" is not ${declared.allowed}`)
  return value
}

interface Scan {
  readonly given: ReadonlyMap<string, string>
  readonly operands: readonly string[]
  readonly wantsHelp: boolean
}

function scan(declarations: FlagDeclarations, words: readonly string[]): Scan {
  const keys = new Map(Object.keys(declarations).map((key) => [kebabOf(key), key]))
  const given = new Map<string, string>()
  let at = 0
  for (; at < words.length; at += 1) {
    const word = words[at] ?? ''
    if (word === '--') return { given, operands: words.slice(at + 1), wantsHelp: false }
    const match = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(word)
    if (match === null) {
      if (word.length > 1 && word.startsWith('-')) throw new FlagError(word, `${word} is not a flag`)
      break
    }
    const [, name = '', attached] = match
    const key = keys.get(name)
    if (key === undefined) {
      if (name === 'h' || name === 'help') return { given, operands: [], wantsHelp: true }
      throw new FlagError(
        `-${name}`,
        `unknown flag -${name}; there are ${dashed([...keys.keys()])} and -help`,
      )
    }
    if (attached !== undefined) given.set(key, attached)
    else if (declarations[key]?.isBoolean) given.set(key, 'true')
    else {
      at += 1
      const value = words[at]
      if (value === undefined)
        throw new FlagError(`-${name}`, `-${name} needs a value: ${declarations[key]?.allowed}`)
      given.set(key, value)
    }
  }
  return { given, operands: words.slice(at), wantsHelp: false }
}

const dashed = (names: readonly string[]): string => names.map((name) => `-${name}`).join(' ')

function helpText(declarations: FlagDeclarations, input: FlagInput): string {
  const rows = Object.entries(declarations).map(([key, declared]) => {
    const shown = declared.format(declared.default)
    const fallback = shown === '' ? '' : `default ${shown}, `
    return {
      name: `-${kebabOf(key)}${declared.placeholder === '' ? '' : ` ${declared.placeholder}`}`,
      help: `${declared.help} (${fallback}env ${variableOf(input.environmentPrefix, key)})`,
    }
  })
  const width = Math.max(...rows.map(({ name }) => name.length))
  return [
    `Usage: ${input.program} [flags]${input.operands === undefined ? '' : ` ${input.operands}`}`,
    ...(input.about === undefined ? [] : ['', input.about]),
    '',
    ...rows.map(({ name, help }) => `  ${name.padEnd(width)}  ${help}`),
    '',
  ].join('\n')
}
