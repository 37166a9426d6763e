import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readConfig } from '../../../discovery/config.ts'
import { Edges } from '../../../discovery/edges.ts'
import { IpRate } from '../../../discovery/limits/ip-rate.ts'
import { Clusters } from '../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../discovery/store/memory-store.ts'
import { Metrics } from '../../../discovery/web/metrics.ts'
import { createLogger } from '../../../shared/log.ts'
import { freePort } from '../../support/free-port.ts'
import { ManualClock } from '../../support/manual-clock.ts'

interface World {
  readonly edges: Edges
  readonly clusters: Clusters
  readonly clock: ManualClock
  readonly lines: string[]
  /** For each reading of the list: which of these clusters may go on to be watched. */
  readonly kept: string[][]
}

const CLUSTERS = ['one', 'two']

async function open(...flags: readonly string[]): Promise<World> {
  const reading = readConfig({
    arguments: ['-landing-addr=', '-metrics-addr=', ...flags],
    environment: {},
    readFile: () => '',
  })
  assert.ok(reading.kind === 'config', JSON.stringify(reading))
  const clusters = new Clusters()
  const clock = new ManualClock()
  const lines: string[] = []
  const none = (): number => 0
  const sources = {
    watchers: none,
    connections: none,
    lostConnections: none,
    ignoredHeaders: none,
    rateBuckets: none,
  }
  const metrics = new Metrics(
    { ...sources, counts: () => clusters.counts, isWarm: () => false, isStoreUp: () => true },
    { version: '1', ofProcess: false },
  )
  const log = createLogger('debug', { write: (line: string) => void lines.push(line) })
  const { config } = reading
  const kept: string[][] = []
  const edges = await Edges.open({
    config,
    clock,
    log,
    store: new MemoryStore(clusters, clock),
    metrics,
    healthRate: new IpRate(),
    healthObserver: metrics.calls,
    endWatches: (isServed) => kept.push(CLUSTERS.filter(isServed)),
  })
  return { edges, clusters, clock, lines, kept }
}

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'edges-'))
  await run(directory)
  await rm(directory, { recursive: true })
}

const text = async (port: number, path: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`)
  return `${response.status} ${await response.text()}`
}

test('pages, metrics and readiness, each where it belongs', async () => {
  const [landing, metrics] = [await freePort(), await freePort()]
  const { edges, clock } = await open(
    `-landing-addr=127.0.0.1:${landing}`,
    `-metrics-addr=127.0.0.1:${metrics}`,
  )
  assert.match(await text(landing, '/'), /^200 .*Discovery service/s)
  assert.match(await text(metrics, '/metrics'), /^200 .*discovery_state_clusters 0/s)
  assert.match(await text(metrics, '/readyz'), /^503/)
  edges.ready()
  assert.match(await text(metrics, '/readyz'), /^200/)
  edges.end()
  assert.match(await text(metrics, '/readyz'), /^503/)
  assert.match(await text(metrics, '/healthz'), /^200/)
  await edges[Symbol.asyncDispose]()
  await assert.rejects(text(landing, '/'))
  assert.equal(clock.armed, 0)
})

test('an address that is taken, or a file that is not there, stops the start and leaves nothing open', async () => {
  const port = await freePort()
  const { edges } = await open(`-landing-addr=127.0.0.1:${port}`)
  await assert.rejects(open(`-metrics-addr=127.0.0.1:${port}`), /EADDRINUSE/)
  await assert.rejects(open('-allowed-clusters=/nonexistent/file'), /ENOENT/)
  const metrics = await freePort()
  await assert.rejects(
    open(
      `-metrics-addr=127.0.0.1:${metrics}`,
      '-admin-addr=127.0.0.1:0',
      '-admin-token-file=/nonexistent/token',
    ),
    /ENOENT/,
  )
  await assert.rejects(text(metrics, '/healthz'))
  await edges[Symbol.asyncDispose]()
})

test('the list of allowed clusters is read, and read again when it changes', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'allowed')
    await writeFile(file, 'one\n')
    const { edges, clock, lines, kept } = await open(`-allowed-clusters=${file}`)
    assert.equal(edges.admission.cluster('one'), undefined)
    assert.equal(edges.admission.cluster('two')?.kind, 'forbidden')
    await writeFile(file, `${createHash('sha256').update('two').digest('hex')}\n`)
    while (edges.admission.cluster('two') !== undefined) await clock.advance(100)
    assert.equal(edges.admission.cluster('one')?.kind, 'forbidden')
    assert.deepEqual(kept, [['one'], ['two']])
    assert.ok(lines.some((line) => line.includes('allowed clusters read')))
    await edges[Symbol.asyncDispose]()
  }))

test('who watches a cluster begins anew when only its members are served from then on', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'allowed')
    const key = 'cCZ4Kn12GDCTatQ/R4S+STWbLoAp0fRVI1efXA+gM9g='
    await writeFile(file, `one ${key}\ntwo\n`)
    const { edges, clock, kept } = await open(`-allowed-clusters=${file}`)
    await writeFile(file, `one ${key} members-only\ntwo\n`)
    while (kept.length < 2) await clock.advance(100)
    await writeFile(file, `one ${key} members-only\ntwo\n# the same\n`)
    while (kept.length < 3) await clock.advance(100)
    assert.deepEqual(kept, [['one', 'two'], ['two'], ['one', 'two']])
    await edges[Symbol.asyncDispose]()
  }))

test('the admin API on a private socket, with a token when there is one', () =>
  inDirectory(async (directory) => {
    const socketPath = join(directory, 'admin.sock')
    await writeFile(join(directory, 'token'), 'a token of some length')
    const ask = (method: string, path: string, headers = {}): Promise<number> =>
      new Promise((done) =>
        request({ socketPath, method, path, headers }, (response) => {
          response.resume()
          done(response.statusCode ?? 0)
        }).end(),
      )
    const first = await open(`-admin-addr=unix:${socketPath}`)
    first.clusters.update('one', 'a', { data: undefined, endpoints: [], expiresAt: 1000 })
    assert.equal(await ask('GET', '/clusters'), 200)
    assert.equal(await ask('DELETE', `/clusters/${createHash('sha256').update('one').digest('hex')}`), 200)
    assert.ok(first.lines.some((line) => line.includes('forgotten by an operator')))
    assert.equal(
      first.lines.some((line) => line.includes('"one"')),
      false,
    )
    await first.edges[Symbol.asyncDispose]()

    const second = await open(
      `-admin-addr=unix:${socketPath}`,
      `-admin-token-file=${join(directory, 'token')}`,
    )
    assert.equal(await ask('GET', '/clusters'), 401)
    assert.equal(await ask('GET', '/clusters', { authorization: 'Bearer a token of some length' }), 200)
    await second.edges[Symbol.asyncDispose]()
  }))
