import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import { decodeSnapshot, encodeSnapshot } from '../../../../discovery/storage/snapshot-codec.ts'
import { SnapshotFile, type StorageOperation } from '../../../../discovery/storage/snapshot-file.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

interface World {
  readonly directory: string
  readonly path: string
  readonly clusters: Clusters
  readonly clock: ManualClock
  readonly file: SnapshotFile
  readonly operations: StorageOperation[]
}

async function inDirectory(run: (world: World) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'snapshot-'))
  const path = join(directory, 'deep/er/state.binpb')
  const clusters = new Clusters()
  const clock = new ManualClock()
  const operations: StorageOperation[] = []
  const file = new SnapshotFile({
    path,
    interval: 600_000,
    clusters,
    clock,
    onOperation: (operation) => operations.push(operation),
  })
  await run({ directory, path, clusters, clock, file, operations })
  await file[Symbol.asyncDispose]()
  assert.equal(clock.armed, 0)
  await rm(directory, { recursive: true })
}

const fill = (clusters: Clusters, count: number): void => {
  for (let n = 0; n < count; n++)
    clusters.update(`cluster-${n}`, 'a', {
      data: new Uint8Array(1000),
      endpoints: [Uint8Array.of(1)],
      expiresAt: 60_000,
    })
}

test('what is saved is there after a restart', () =>
  inDirectory(async ({ path, clusters, clock, file, operations }) => {
    fill(clusters, 600)
    await file.save()
    assert.deepEqual(operations[0]?.counts, { clusters: 600, affiliates: 600, endpoints: 600 })
    const bytes = await readFile(path)
    assert.equal(operations[0]?.bytes, bytes.length)
    assert.equal(decodeSnapshot(bytes).clusters.length, 600)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(join(path, '..')), ['state.binpb'], 'no temporary file stays')

    const restarted = new Clusters()
    const onOperation = (operation: StorageOperation): unknown => operations.push(operation)
    const loaded = await new SnapshotFile({
      path,
      interval: 1,
      clusters: restarted,
      clock,
      onOperation,
    }).load()
    assert.deepEqual([loaded.error, loaded.bytes], [undefined, bytes.length])
    assert.deepEqual(restarted.counts, { clusters: 600, affiliates: 600, endpoints: 600 })
  }))

test('an empty state replaces what was there (S5)', () =>
  inDirectory(async ({ path, clusters, file }) => {
    fill(clusters, 1)
    await file.save()
    clusters.deleteCluster('cluster-0')
    await file.save()
    assert.equal((await stat(path)).size, 0)
  }))

test('a missing file is an error of the operation and no more', () =>
  inDirectory(async ({ clusters, file, operations, directory }) => {
    const { error, keptAt } = await file.load()
    assert.match(error?.message ?? '', /ENOENT/)
    assert.equal(keptAt, undefined)
    assert.deepEqual([operations.length, clusters.counts.clusters], [1, 0])
    assert.deepEqual(await readdir(directory), [])
  }))

test('of a broken file the good part comes in, and the file is kept (S8)', () =>
  inDirectory(async ({ path, clusters, file }) => {
    await mkdir(join(path, '..'), { recursive: true })
    const good = encodeSnapshot([
      {
        id: 'good',
        affiliates: [
          {
            id: 'a',
            data: Uint8Array.of(1),
            endpoints: [],
            expiration: undefined,
            ttl: { seconds: 9n, nanos: 0 },
          },
        ],
      },
    ])
    const broken = Buffer.concat([good, Uint8Array.of(0x0a)])
    await writeFile(path, broken)
    const { error, keptAt } = await file.load()
    assert.match(error?.message ?? '', /ends in the middle/)
    assert.equal(clusters.counts.clusters, 1)
    await file.save()
    assert.equal(keptAt, `${path}.unreadable`)
    assert.deepEqual(await readFile(`${path}.unreadable`), broken)

    await writeFile(path, Buffer.concat([Uint8Array.of(0xff), Buffer.alloc(300_000)]))
    assert.match((await file.load()).error?.message ?? '', /unexpected byte 0xff/)
  }))

test('what cannot be read at all is told', () =>
  inDirectory(async ({ path, file }) => {
    await mkdir(path, { recursive: true })
    const { error, keptAt } = await file.load()
    assert.match(error?.message ?? '', /EISDIR/)
    assert.equal(keptAt, undefined)
    await assert.rejects(file.save(), /EISDIR|ENOTEMPTY|EEXIST/)
  }))

test('a save that fails leaves the old file whole, and is tried again', () =>
  inDirectory(async ({ path, clusters, clock, file, operations }) => {
    fill(clusters, 1)
    await file.save()
    await mkdir(`${path}.tmp/in-the-way`, { recursive: true })
    clusters.deleteCluster('cluster-0')
    await assert.rejects(file.save())
    assert.notEqual((await stat(path)).size, 0)
    assert.notEqual(operations.at(-1)?.error, undefined)
    file.start()
    file.start()
    await clock.advance(600_000)
    while (operations.length < 3) await clock.advance(0)
    await rm(`${path}.tmp`, { recursive: true })
    while (operations.length < 4) await clock.advance(600_000)
    assert.equal((await stat(path)).size, 0)
  }))
