import { ConfigError, loadConfig } from './config/load.ts'
import { type Settings, socketPath } from './model/settings.ts'

export interface DaemonQuery {
  readonly configFile: string
  /** Somebody named the file; else it is the usual one. */
  readonly isNamed: boolean
  /** The socket, where somebody named it. */
  readonly socket: string | undefined
}

/** What a command goes by that asks the daemon and leaves the configuration to it. */
export interface UsableSettings {
  /** Of a file that cannot be used what is right in it, and defaults for the rest. */
  readonly settings: Settings
  readonly problem: ConfigError | undefined
}

/** Throws ConfigError only for a named file that is not there: that is a slip, and may mean another daemon. */
export async function loadUsable({ configFile, isNamed }: DaemonQuery): Promise<UsableSettings> {
  try {
    const { settings } = await loadConfig(configFile)
    return { settings, problem: undefined }
  } catch (error) {
    if (!(error instanceof ConfigError) || (error.isAbsent && isNamed)) throw error
    return { settings: error.usable.settings, problem: error }
  }
}

/**
 * The socket of the daemon that runs by this configuration. A daemon outlives a slip in its file, and who may ask it need
 * not be allowed to read the file: `warn` is then told, in one line, what is wrong and which socket is asked.
 */
export async function findSocket(query: DaemonQuery, warn: (line: string) => void): Promise<string> {
  if (query.socket !== undefined) return query.socket
  const { settings, problem } = await loadUsable(query)
  const path = socketPath(settings)
  if (problem !== undefined) warn(`${inOneLine(problem)}; the daemon is asked on ${path} all the same`)
  return path
}

/**
 * Why a command can do no more where no daemon runs, for one who has been told by `findSocket` what is wrong with the file:
 * that is not said again.
 */
export function cannotDoWithout({ remedy, usable, isAbsent }: ConfigError, configFile: string): ConfigError {
  const mend = remedy || `kubespan config validate ${configFile}`
  const what = `no kubespan daemon answers on ${socketPath(usable.settings)}, and without one it takes a configuration that can be used`
  return new ConfigError(`${what}: ${mend}`, usable, { isAbsent })
}

/** The first problem, and how many more there are. */
function inOneLine({ problem }: ConfigError): string {
  const [first = '', ...more] = problem.split('\n')
  return more.length === 0 ? first : `${first} (and ${more.length} more: "kubespan config validate")`
}
