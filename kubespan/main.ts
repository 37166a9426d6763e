import { hostname } from 'node:os'
import { messageOf } from '../shared/message-of.ts'
import { ownVersion } from '../shared/version.ts'
import { renderHelp } from './cli/commands.ts'
import { generateClusterConfig } from './cli/generate.ts'
import { diffRows, renderChanges, renderRows, rowsOf } from './cli/get.ts'
import { toJson, toYaml } from './cli/output.ts'
import { type Invocation, type Options, parseInvocation, UsageError } from './cli/parse.ts'
import { printableLines } from './cli/printable.ts'
import { findResource } from './cli/resources.ts'
import { renderPeers, renderStatus } from './cli/status.ts'
import { ConfigError, loadConfig } from './config/load.ts'
import { renderSettings, renderWriteKey } from './config/show.ts'
import { ControlClient, NotRunningError } from './control/client.ts'
import { type DaemonQuery, findSocket, loadUsable } from './find-daemon.ts'
import { writeConfiguration } from './host/configuration-file.ts'
import { keepHeapSmall } from './host/heap.ts'
import type { DaemonView } from './model/daemon-view.ts'

const DEFAULT_CONFIG_FILE = '/etc/kubespan/config.yaml'
const DEFAULT_SERVICE_URL = 'https://discovery.example.org/'

const EXIT_FAILURE = 1
/** The command line or the configuration is wrong. */
const EXIT_USAGE = 2

type Command = (options: Options, operands: readonly string[]) => Promise<void>

const configFile = (options: Options): string => options.config ?? DEFAULT_CONFIG_FILE

const daemonQuery = (options: Options): DaemonQuery => ({
  configFile: configFile(options),
  isNamed: options.config !== undefined,
  socket: options.socket,
})

/** The configuration could not be used, and a command went on without it. */
let hasWarned = false

function warn(line: string): void {
  hasWarned = true
  process.stderr.write(`kubespan: warning: ${printableLines(line)}\n`)
}

const daemon = async (options: Options): Promise<ControlClient> =>
  new ControlClient(await findSocket(daemonQuery(options), warn))

/** Prints one value as the user asked: `table` renders it for people. */
function show(options: Options, value: unknown, table: () => string): void {
  const renderers: Record<string, () => string> = {
    table,
    json: () => toJson(value),
    yaml: () => toYaml(value),
  }
  const render = renderers[options.output ?? 'table']
  if (render === undefined) throw new UsageError(`--output ${options.output}: say table, json or yaml`)
  process.stdout.write(render())
}

const commands: Record<string, Command> = {
  async run(options) {
    // Before anything else is loaded: that is where most of the heap comes from.
    keepHeapSmall()
    const { runDaemon } = await import('./commands/run.ts')
    await runDaemon({
      configFile: configFile(options),
      downOnExit: options['down-on-exit'] ?? false,
      logLevel: options['log-level'] ?? 'info',
    })
  },

  async status(options) {
    const view = await (await daemon(options)).view()
    show(options, view, () => renderStatus(view, Date.now()))
  },

  async peers(options) {
    const { peers } = await (await daemon(options)).view()
    show(options, peers, () => renderPeers(peers, Date.now()))
  },

  async get(options, [name, id]) {
    const { namespace } = options
    const type = name === undefined ? undefined : findResource(name, namespace)
    if (type === undefined)
      throw new UsageError(
        `${name === undefined ? 'say which resource' : `no resource is called ${name}${namespace === undefined ? '' : ` in the namespace ${namespace}`}`}; "kubespan get rd" lists them`,
      )
    const format = options.output ?? 'table'
    if (format !== 'table' && format !== 'wide' && format !== 'json' && format !== 'yaml')
      throw new UsageError(`--output ${format}: say table, wide, json or yaml`)
    const client = await daemon(options)
    const wanted = { host: type.part === 'host', raw: type.part === 'raw' }
    const requestFor = ({ identity }: DaemonView) =>
      ({ type, id, format, node: identity?.nodename ?? hostname() }) as const
    if (!options.watch) {
      const view = await client.view(wanted)
      const request = requestFor(view)
      const rows = rowsOf(request, view)
      if (id !== undefined && rows.length === 0) throw new Error(`there is no ${type.type} ${id}`)
      process.stdout.write(renderRows(request, rows))
      return
    }
    let shown: ReturnType<typeof rowsOf> | undefined
    for await (const view of client.watch(new AbortController().signal, wanted)) {
      const request = requestFor(view)
      const { changes, rows } = diffRows(shown ?? [], rowsOf(request, view))
      process.stdout.write(renderChanges(request, changes, shown === undefined))
      shown = rows
    }
    throw new Error('the daemon has ended')
  },

  async explain(options, [target]) {
    if (target === undefined)
      throw new UsageError('kubespan explain needs an address, a peer by name, node id or key, or self')
    const { explain } = await import('./commands/explain.ts')
    const { value, text } = await explain({
      target,
      socketPath: await findSocket(daemonQuery(options), warn),
      async withoutDaemon() {
        return (await loadUsable(daemonQuery(options))).settings
      },
    })
    show(options, value, () => text)
  },

  async doctor(options) {
    const { examine } = await import('./commands/doctor.ts')
    const { findings, text, hasErrors } = await examine(configFile(options), options.socket)
    show(options, findings, () => text)
    if (hasErrors) process.exitCode = EXIT_FAILURE
  },

  async bugreport(options) {
    const { writeBugreport } = await import('./commands/bugreport.ts')
    const path = await writeBugreport({
      configFile: configFile(options),
      socket: options.socket,
      file: options.file,
    })
    process.stdout.write(`${path}\n`)
  },

  async completion(_, [name]) {
    const { renderCompletion, SHELLS } = await import('./cli/completion.ts')
    const shell = SHELLS.find((candidate) => candidate === name)
    if (shell === undefined) throw new UsageError(`say for which shell: ${SHELLS.join(', ')}`)
    process.stdout.write(renderCompletion(shell))
  },

  async gen({ endpoint, file }) {
    const text = generateClusterConfig(endpoint ?? DEFAULT_SERVICE_URL)
    if (endpoint === undefined)
      process.stderr.write(
        `kubespan gen: no --endpoint given; replace ${DEFAULT_SERVICE_URL} by your discovery service\n`,
      )
    if (file === undefined) process.stdout.write(text)
    else await writeConfiguration(file, text)
  },

  async config(options, [action, file]) {
    const path = file ?? configFile(options)
    if (action !== 'validate' && action !== 'show')
      throw new UsageError('say "kubespan config validate" or "kubespan config show"')
    const loaded = await loadConfig(path)
    for (const warning of loaded.warnings) process.stderr.write(`warning: ${warning}\n`)
    if (action === 'show' && options['write-key']) process.stdout.write(renderWriteKey(loaded.settings))
    else if (action === 'validate') process.stdout.write(`${path} is valid\n`)
    else {
      const { askDaemon } = await import('./commands/doctor.ts')
      const view = await askDaemon(options.socket, loaded.settings).catch(() => undefined)
      const { value, table } = renderSettings(loaded, view)
      show(options, value, () => table)
    }
  },

  async reload(options) {
    await (await daemon(options)).reload()
  },

  async forget(options, [id]) {
    if (id === undefined) throw new UsageError('kubespan forget needs a node id or node name')
    const says = await (await daemon(options)).forget(id)
    process.stdout.write(says.map((line) => `${printableLines(line)}\n`).join(''))
  },

  async leave(options) {
    const { leave } = await import('./commands/run.ts')
    await leave(daemonQuery(options), warn)
  },

  async 'reset-identity'(options) {
    const { resetIdentity } = await import('./commands/run.ts')
    const says = await resetIdentity(daemonQuery(options), warn)
    process.stdout.write(says.map((line) => `${printableLines(line)}\n`).join(''))
  },

  async down(options) {
    const { down } = await import('./commands/run.ts')
    await down(daemonQuery(options), warn)
  },
}

async function execute({ command, options, operands }: Invocation): Promise<void> {
  if (options.version) process.stdout.write(`kubespan ${ownVersion()}\n`)
  else if (command === undefined || options.help) process.stdout.write(renderHelp(command))
  else await commands[command.name]?.(options, operands)
}

// Whoever reads only the first lines, as head does, has had enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

try {
  await execute(parseInvocation(process.argv.slice(2)))
} catch (error) {
  const message = messageOf(error)
  process.stderr.write(`kubespan: ${printableLines(message)}\n`)
  if (error instanceof UsageError) process.stderr.write('see kubespan --help\n')
  const isUsage =
    error instanceof UsageError ||
    error instanceof ConfigError ||
    (error instanceof NotRunningError && hasWarned)
  process.exitCode = isUsage ? EXIT_USAGE : EXIT_FAILURE
}
