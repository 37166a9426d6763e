import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../fuzz/random.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { freePort } from '../support/free-port.ts'
import { patient } from '../support/patience.ts'
import { Situations } from '../support/situations.ts'
import { RedisServer } from '../support/store/redis-server.ts'
import { Front, Node, Observer } from './actors.ts'

const SECONDS = Number(process.env.CHAOS_SECONDS || 300)
const SEED = Number(process.env.CHAOS_SEED || Date.now() % 1_000_000)
const IS_LONG = SECONDS >= 300
const [CLUSTERS, WATCHERS, NODES] = IS_LONG ? [50, 500, 150] : [6, 24, 18]
const REPLICAS = 3
/** The last mishap is over by then, and so is what any of them may have left. */
const QUIET_MS = 40_000

const MISHAPS = [
  'a replica is killed',
  'a replica is told to stop',
  'a replica hangs',
  'Redis is restarted with all it knew',
  'Redis comes back empty',
  'Redis hangs',
  'scripts are forgotten',
  'channels are cut',
  'all connections are cut',
] as const
const OTHERS = ['a node joins', 'a node leaves', 'a node vanishes', 'a watcher goes elsewhere'] as const

test(`random mishaps, seed ${SEED}: no node that lives is ever said to be gone, and in the end all agree`, async (t) => {
  const random = new Random(SEED)
  const situations = new Situations([...MISHAPS, ...OTHERS])
  const over = new AbortController()
  await using redis = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
  await using open = new AsyncDisposableStack()
  const flags = [`-store=redis+unix:${redis.path}`, '-gc-interval=500ms', '-rate-limit=0', '-log-calls=false']
  const ports = await Promise.all(Array.from({ length: REPLICAS }, () => freePort()))
  const replicas = await Promise.all(ports.map((port) => DiscoveryProcess.startAt(port, ...flags)))
  open.defer(async () => {
    for (const replica of replicas) await replica.stop('SIGKILL')
  })
  const front = open.use(
    new Front(
      replicas.map(({ endpoint }) => endpoint),
      random,
    ),
  )
  open.defer(() => over.abort())

  const nodes = new Map<string, Node>()
  const wrong: string[] = []
  const running: Promise<void>[] = []
  let lastMishap = 'none'
  const join = (): void => {
    const id = `n${nodes.size}`
    const node = new Node(`c${random.below(CLUSTERS)}`, id, front, over.signal)
    nodes.set(id, node)
    running.push(node.live())
    situations.reach('a node joins')
  }
  const onGone = (id: string, how: string): void => {
    if (nodes.get(id)?.isAlive !== false) wrong.push(`${id} ${how}, after: ${lastMishap}`)
  }
  for (let index = 0; index < NODES; index += 1) join()
  const observers = Array.from(
    { length: WATCHERS },
    (_, index) => new Observer(`c${index % CLUSTERS}`, front, over.signal, onGone),
  )
  for (const observer of observers) running.push(observer.watch())
  await pause(4000)

  const restart = async (index: number, signal: NodeJS.Signals): Promise<void> => {
    await replicas[index]?.stop(signal)
    await pause(random.below(1000))
    replicas[index] = await DiscoveryProcess.startAt(ports[index] as number, ...flags)
  }
  const mishap: Record<(typeof MISHAPS)[number], () => Promise<unknown>> = {
    'a replica is killed': () => restart(random.below(REPLICAS), 'SIGKILL'),
    'a replica is told to stop': () => restart(random.below(REPLICAS), 'SIGTERM'),
    'a replica hangs': async () => {
      const { pid } = random.pick(replicas)
      process.kill(pid, 'SIGSTOP')
      await pause(500 + random.below(2500))
      process.kill(pid, 'SIGCONT')
    },
    'Redis is restarted with all it knew': async () => {
      await redis.stop()
      await pause(random.below(2000))
      await redis.start()
    },
    'Redis comes back empty': async () => {
      await redis.stop()
      await rm(`${redis.directory}/appendonlydir`, { recursive: true, force: true })
      await redis.start()
    },
    'Redis hangs': async () => {
      redis.pause()
      await pause(500 + random.below(6500))
      redis.resume()
    },
    'scripts are forgotten': () => redis.ask('SCRIPT', 'FLUSH'),
    'channels are cut': () => redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub'),
    'all connections are cut': () => redis.ask('CLIENT', 'KILL', 'TYPE', 'normal'),
  }
  const end = performance.now() + SECONDS * 1000
  for (let round = random.below(MISHAPS.length); performance.now() < end && wrong.length === 0; round += 1) {
    const name = IS_LONG
      ? random.pick(MISHAPS)
      : (MISHAPS[round % MISHAPS.length] as (typeof MISHAPS)[number])
    lastMishap = name
    await mishap[name]()
    situations.reach(name)
    const living = [...nodes.values()].filter(({ hasLeft, isAlive }) => !hasLeft && isAlive)
    if (living.length > 2) {
      random.pick(living).vanish()
      situations.reach('a node vanishes')
      running.push(random.pick(living).leave())
      situations.reach('a node leaves')
    }
    join()
    join()
    await pause(1000 + random.below(2000))
  }
  situations.reach(
    'a watcher goes elsewhere',
    observers.some(({ reconnects }) => reconnects > 0),
  )

  const differences = async (): Promise<string[]> => {
    const found: string[] = []
    for (let index = 0; index < CLUSTERS; index += 1) {
      const cluster = `c${index}`
      const lists = await Promise.all(
        front.all.map(async (client) =>
          (await client.list(cluster))
            .map(({ id }) => id)
            .sort()
            .join(),
        ),
      )
      const views = observers
        .filter((each) => each.cluster === cluster)
        .map(({ view }) => [...view].sort().join())
      const living = [...nodes.values()].filter((node) => node.cluster === cluster && !node.hasLeft)
      if (new Set([...lists, ...views]).size > 1)
        found.push(`${cluster}: ${[...lists, ...views].join(' | ')}`)
      for (const { id } of living)
        if (!lists[0]?.split(',').includes(id)) found.push(`${cluster}: ${id} is missing`)
    }
    return found
  }
  const quietUntil = performance.now() + patient(QUIET_MS)
  let found = ['nothing was looked at']
  while (wrong.length === 0 && found.length > 0 && performance.now() < quietUntil) {
    await pause(500)
    found = await differences().catch((error: unknown) => [String(error)])
  }
  over.abort()
  await Promise.all(running)
  t.diagnostic(
    `${nodes.size} nodes, ${observers.reduce((sum, { reconnects }) => sum + reconnects, 0)} reconnects`,
  )
  assert.deepEqual(wrong, [])
  assert.deepEqual(found, [])
  if (IS_LONG) situations.assertReached()
})
