import { type Flag, type FlagDeclarations, type FlagValues, kebabOf, readFlags } from '../shared/flags.ts'
import { readDocuments } from '../shared/yaml-document.ts'
import { discoveryFlags } from './flag-table.ts'

/** All settings, by their flags' names. */
export type Config = FlagValues<ReturnType<typeof discoveryFlags>>

export type ConfigReading =
  | { readonly kind: 'config'; readonly config: Config; readonly operands: readonly string[] }
  | { readonly kind: 'help'; readonly text: string }
  | { readonly kind: 'version' }
  /** To be said on standard error; the program then exits with status 2. */
  | { readonly kind: 'error'; readonly message: string }

export interface ConfigInput {
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Reads the file of `-config`. */
  readonly readFile: (path: string) => string
}

class ConfigError extends Error {}

/** Settings come from flags, else from `DISCOVERY_*` variables, else from the file, else by default. */
export function readConfig(input: ConfigInput): ConfigReading {
  const declarations = discoveryFlags(input.environment.MODE === 'dev')
  const read = (declared: typeof declarations) =>
    readFlags(declared, {
      program: 'discovery-service',
      about: 'The place where the nodes of a cluster find each other. It sees only what they have encrypted.',
      arguments: input.arguments,
      environment: input.environment,
      environmentPrefix: 'DISCOVERY_',
      operands: '[admin COMMAND]',
    })
  try {
    const first = read(declarations)
    if (first.kind !== 'values') return first
    if (first.values.version) return { kind: 'version' }
    const path = first.values.config
    const reading = path === '' ? first : read(withFile(declarations, path, input.readFile))
    if (reading.kind !== 'values') return reading
    check(reading.values)
    return { kind: 'config', config: reading.values, operands: reading.operands }
  } catch (error) {
    if (error instanceof ConfigError) return { kind: 'error', message: error.message }
    throw error
  }
}

/** The declarations with what the file says as their defaults. */
function withFile<D extends FlagDeclarations>(
  declarations: D,
  path: string,
  readFile: (path: string) => string,
): D {
  const { documents, problems } = readDocuments(path, readText(path, readFile))
  if (problems[0] !== undefined) throw new ConfigError(problems[0])
  if (documents.length > 1) throw new ConfigError(`${documents[1]?.place}: one document is enough`)
  const [document] = documents
  if (document === undefined) return declarations
  if (typeof document.value !== 'object' || document.value === null || Array.isArray(document.value))
    throw new ConfigError(`${document.place}: must be a mapping of settings`)
  const keys = new Map(Object.keys(declarations).map((key) => [kebabOf(key), key]))
  const changed: Record<string, Flag<unknown>> = { ...declarations }
  for (const [name, value] of Object.entries(document.value)) {
    const place = `${document.placeOf([name])}: ${name}`
    const key = keys.get(name)
    const declared = key === undefined ? undefined : declarations[key]
    if (key === undefined || declared === undefined || ONLY_FLAGS.has(name))
      throw new ConfigError(`${place}: there is no such setting; see -help`)
    const text = textOf(value)
    const parsed = text === undefined ? undefined : declared.parse(text)
    if (parsed === undefined) throw new ConfigError(`${place}: must be ${declared.allowed}`)
    changed[key] = { ...declared, default: parsed }
  }
  return changed as D
}

const ONLY_FLAGS = new Set(['config', 'version'])

function readText(path: string, readFile: (path: string) => string): string {
  try {
    return readFile(path)
  } catch (error) {
    throw new ConfigError(`-config: ${(error as Error).message}`)
  }
}

/** A list may be written as a YAML list or as it is on the command line. */
function textOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(String).join(',')
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined
}

function check({ adminAddr, adminTokenFile, flushInterval, flushIntervalMax }: Config): void {
  if (adminAddr !== null && !('path' in adminAddr) && adminTokenFile === '')
    throw new ConfigError('-admin-token-file: is needed when -admin-addr is not a unix socket')
  if (flushIntervalMax < flushInterval)
    throw new ConfigError('-flush-interval-max: must not be shorter than -flush-interval')
}
