import { systemClock } from '../../shared/clock.ts'
import type { Logger } from '../../shared/log.ts'
import { ownVersion } from '../../shared/version.ts'
import { disk, FILE_POLL_MS, WatchedFiles } from '../../shared/watched-files.ts'
import { cleanUp } from '../apply/cleanup.ts'
import { loadConfig } from '../config/load.ts'
import { ControlClient, NotRunningError } from '../control/client.ts'
import { createMeshHost, loadIdentity, placementStore } from '../controllers/host/system-mesh-host.ts'
import { STILL_ANNOTATED, systemKubernetesTier } from '../controllers/members/kubernetes-tier.ts'
import { Daemon, daemonLogger } from '../daemon.ts'
import { WITHOUT_FPING } from '../doctor/checks/tools.ts'
import { observeStart } from '../doctor/observe-start.ts'
import { missingForStart } from '../doctor/start.ts'
import { systemWorld } from '../doctor/world.ts'
import {
  cannotDoWithout,
  type DaemonQuery,
  findSocket,
  loadUsable,
  type UsableSettings,
} from '../find-daemon.ts'
import { createHost } from '../host/host.ts'
import { checkOwnDirectory } from '../host/own-files.ts'
import { observeFates } from '../inspect/fate.ts'
import { observeHost } from '../inspect/host-view.ts'
import type { Settings } from '../model/settings.ts'
import { judgementOf } from '../plan/self/judge-links.ts'
import { mayMatter } from '../plan/self/link-event.ts'
import { nameNode } from '../plan/self/name-node.ts'
import { observeLinks } from '../sources/addresses.ts'
import { namesOnly } from '../sources/discovery/own-record.ts'
import { watchHost } from '../sources/host-monitor.ts'
import { systemHostName, watchHostName } from '../sources/host-name.ts'
import { hasIdentity, setIdentityAside } from '../sources/identity-file.ts'
import { Resolver, systemLookup } from '../sources/resolver.ts'
import { supervise } from '../supervision.ts'
import { systemPool } from '../system-pool.ts'

export interface RunOptions {
  readonly configFile: string
  readonly downOnExit: boolean
  readonly logLevel: string
}

const hostOf = (settings: Settings) =>
  createHost({
    clock: systemClock,
    runDirectory: settings.node.runDirectory,
    notifySocket: process.env.NOTIFY_SOCKET,
  })

/** Runs the daemon until it is told to end. Ending takes nothing back, unless `downOnExit` says so. */
export async function runDaemon({ configFile, downOnExit, logLevel }: RunOptions): Promise<void> {
  const log = daemonLogger(logLevel)
  const loaded = await loadConfig(configFile)
  await checkStart(loaded.settings, log)
  await using daemon = await Daemon.start({
    configFile,
    clock: systemClock,
    log,
    loaded,
    host: (settings, wake, links) => {
      const resources = new AsyncDisposableStack()
      const resolver = resources.use(
        new Resolver({ clock: systemClock, lookup: systemLookup, onChange: wake }),
      )
      const host = hostOf(settings())
      const mesh = resources.use(createMeshHost(host, resolver, wake))
      resources.use(watchHostName(systemClock, wake))
      const stop = new AbortController()
      const watching = watchHost(
        {
          host,
          placement: () => settings().placement,
          otherTables: () => mesh.detourTables,
          matters: (event) => mayMatter(event, links(), judgementOf(settings())),
          onChange: wake,
          onOthersChange: () => mesh.strangersChanged(),
          // Where that fails, the pass that is woken as well does it.
          onTableGone: () => mesh.restoreTable().catch(() => undefined),
          onFailure: (error) => log.warn({ err: String(error) }, 'a monitor of the host ended'),
        },
        stop.signal,
      )
      resources.defer(async () => {
        stop.abort()
        await watching
      })
      return {
        mesh,
        inspector: {
          host: (placement) => observeHost(host, placement),
          fates: (placement, addresses) => observeFates(host, placement, addresses),
        },
        monitors: resources,
      }
    },
  })
  await using _supervision = await supervise(daemon, hostOf(loaded.settings), log)
  const reload = (): void => void daemon.reload()
  await using _watched = await WatchedFiles.open({
    paths: [configFile],
    parse: ([contents]) => contents,
    onChange: reload,
    onFailure: reload,
    clock: systemClock,
    poll: FILE_POLL_MS,
    world: disk,
  })
  process.on('SIGHUP', reload)
  log.info({ pid: process.pid, version: ownVersion(), config: configFile }, 'kubespan daemon started')
  const signal = await Promise.race([daemon.ended, untilSignal('SIGTERM', 'SIGINT')])
  process.off('SIGHUP', reload)
  if (signal === undefined) return
  log.info({ signal, down: downOnExit }, 'kubespan daemon stops')
  if (downOnExit) await daemon.down()
}

/** Better one line now than a pass that fails for ever. */
async function checkStart(settings: Settings, log: Logger): Promise<void> {
  // The socket of the daemon and the keys of this node lie there.
  for (const path of [settings.node.stateDirectory, settings.node.runDirectory]) await checkOwnDirectory(path)
  const world = systemWorld(hostOf(settings), async () => undefined)
  const facts = await observeStart(world, settings, Boolean(process.env.NOTIFY_SOCKET))
  const problems = missingForStart(facts)
  if (problems.length > 0) throw new Error(problems.join('; '))
  if (settings.enabled && !facts.programs.has('fping')) log.info({}, WITHOUT_FPING)
}

const untilSignal = (...signals: NodeJS.Signals[]): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of signals) process.once(signal, resolve)
  })

/** `kubespan leave`: by the daemon where one runs, else from here. */
export async function leave(query: DaemonQuery, warn: Warn): Promise<void> {
  await byDaemonOr(query, warn, (client) => client.leave(), leaveDirectly)
}

/** `kubespan down`: by the daemon where one runs, else from here. */
export async function down(query: DaemonQuery, warn: Warn): Promise<void> {
  await byDaemonOr(
    query,
    warn,
    (client) => client.down(),
    async (usable) => {
      const { settings } = usable
      const left = await leaveDirectly(usable).then(
        () => undefined,
        (error: Error) => error,
      )
      const known = await placementStore.load(settings)
      for (const placement of known.length > 0 ? known : [settings.placement])
        await cleanUp(hostOf(settings), placement)
      await placementStore.save(settings, [])
      if (left !== undefined) throw left
    },
  )
}

/** `kubespan reset-identity`: by the daemon where one runs, else from here. Resolves to what was done and what follows, a line each. */
export async function resetIdentity(query: DaemonQuery, warn: Warn): Promise<readonly string[]> {
  const { backup, problem } = await byDaemonOr(
    query,
    warn,
    (client) => client.resetIdentity(),
    async (usable) => {
      // Whose identity it is follows from the configuration.
      if (usable.problem !== undefined) throw usable.problem
      const { stateDirectory } = usable.settings.node
      if (!(await hasIdentity(stateDirectory))) return { backup: undefined, problem: undefined }
      const left = await leaveDirectly(usable).then(
        () => undefined,
        (error: Error) => error,
      )
      return { backup: await setIdentityAside(stateDirectory, systemClock.wall()), problem: left?.message }
    },
  )
  return [
    ...(problem === undefined ? [] : [problem]),
    ...(backup === undefined
      ? ['this node had no identity yet']
      : [`the old node id and keys are in ${backup}; remove them when the mesh works`]),
    'the daemon is stopped and lets nothing out in clear; its next start makes a new node id, new keys and a new record: systemctl start kubespan, or kubespan run',
  ]
}

type Warn = (line: string) => void

async function byDaemonOr<T>(
  query: DaemonQuery,
  warn: Warn,
  ask: (client: ControlClient) => Promise<T>,
  directly: (usable: UsableSettings) => Promise<T>,
): Promise<T> {
  try {
    return await ask(new ControlClient(await findSocket(query, warn)))
  } catch (error) {
    if (!(error instanceof NotRunningError) || query.socket !== undefined) throw error
    const { settings, problem } = await loadUsable(query)
    return await directly({ settings, problem: problem && cannotDoWithout(problem, query.configFile) })
  }
}

const LEAVE_LIMIT_MS = 10_000

/**
 * Takes our record out of every service without a daemon, after a farewell. Throws naming the services that did not confirm, and
 * when the configuration does not tell for sure which they are.
 */
async function leaveDirectly({ settings, problem }: UsableSettings): Promise<void> {
  if (problem !== undefined) throw problem
  const { cluster, services } = settings
  if (cluster === undefined || (services.length === 0 && !settings.kubernetes?.enabled)) return
  const { nodeId } = await loadIdentity(settings, await observeLinks(hostOf(settings)))
  const [stillAnnotated, failures] = await Promise.all([
    leaveKubernetes(settings, nodeId),
    leaveServices(settings, nodeId),
  ])
  const problems = [...(stillAnnotated === undefined ? [] : [stillAnnotated]), ...failures]
  if (problems.length > 0)
    throw new Error(`our record ends by its TTL where it could not be deleted: ${problems.join('; ')}`)
}

/** Answers what went wrong at which service. */
async function leaveServices(settings: Settings, nodeId: string): Promise<readonly string[]> {
  const log = { info: () => {}, warn: () => {} }
  await using pool = systemPool({ clock: systemClock, log, onChange: () => {} })
  const { settings: named } = nameNode(settings, systemHostName(), nodeId)
  pool.publish(namesOnly(nodeId, named.node))
  await pool.follow(named, nodeId)
  const silent = await pool.leave(LEAVE_LIMIT_MS)
  const problems = new Map(pool.statuses.map(({ name, problem }) => [name, problem]))
  return silent.map((name) => `${name}: ${problems.get(name) ?? 'it does not answer'}`)
}

/** Takes our annotations from our Node without a daemon. Answers what went wrong. */
async function leaveKubernetes(settings: Settings, nodeId: string): Promise<string | undefined> {
  const log = { info: () => {}, warn: () => {} }
  await using tier = systemKubernetesTier({ clock: systemClock, log, onChange: () => {} })
  const { settings: named } = nameNode(settings, systemHostName(), nodeId)
  await tier.follow({ ...named, enabled: true }, nodeId)
  return (await tier.leave(LEAVE_LIMIT_MS)) ? undefined : STILL_ANNOTATED
}
