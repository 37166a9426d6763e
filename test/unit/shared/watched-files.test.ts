import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { disk, type FileWorld, settlesIn, WatchedFiles } from '../../../shared/watched-files.ts'
import { ManualClock, settle } from '../../support/manual-clock.ts'

/** Files in memory; `touch` is what a directory watch would report. */
class MemoryFiles implements FileWorld {
  readonly files = new Map<string, string>()
  readonly #watches = new Map<string, () => void>()

  async read(path: string): Promise<Buffer> {
    const text = this.files.get(path)
    if (text === undefined) throw new Error(`no file ${path}`)
    return Buffer.from(text)
  }
  watch(directory: string, changed: () => void): Disposable {
    this.#watches.set(directory, changed)
    return { [Symbol.dispose]: () => void this.#watches.delete(directory) }
  }
  touch(directory: string): void {
    this.#watches.get(directory)?.()
  }
  get watched(): string[] {
    return [...this.#watches.keys()]
  }
}

const parse = (contents: readonly Buffer[]): string => {
  const text = contents.map(String).join('+')
  if (text.includes('bad')) throw new Error('bad content')
  return text
}

async function open(files: Record<string, string>): Promise<{
  world: MemoryFiles
  clock: ManualClock
  watched: WatchedFiles<string>
  changes: string[]
  failures: string[]
}> {
  const world = new MemoryFiles()
  for (const [path, text] of Object.entries(files)) world.files.set(path, text)
  const clock = new ManualClock()
  const changes: string[] = []
  const failures: string[] = []
  const watched = await WatchedFiles.open({
    paths: ['/tls/crt', '/tls/key'],
    parse,
    onChange: (value) => changes.push(value),
    onFailure: (error) => failures.push((error as Error).message),
    clock,
    poll: 10_000,
    world,
  })
  await settle()
  return { world, clock, watched, changes, failures }
}

test('the first time, what cannot be read or used is an error', async () => {
  await assert.rejects(open({ '/tls/crt': 'a' }), /no file \/tls\/key/)
  await assert.rejects(open({ '/tls/crt': 'a', '/tls/key': 'bad' }), /bad content/)
})

test('an event makes it read again, once, when the writer is done', async () => {
  const { world, clock, watched, changes } = await open({ '/tls/crt': 'a', '/tls/key': 'b' })
  assert.equal(watched.value, 'a+b')
  assert.deepEqual(world.watched, ['/tls'])
  world.files.set('/tls/crt', 'c')
  world.touch('/tls')
  await clock.advance(50)
  world.files.set('/tls/key', 'd')
  world.touch('/tls')
  await clock.advance(100)
  assert.deepEqual([changes, watched.value], [['c+d'], 'c+d'])
  await watched[Symbol.asyncDispose]()
  assert.deepEqual([clock.armed, world.watched], [0, []])
})

test('without any event the poll finds it; what did not change is no change', async () => {
  const { world, clock, watched, changes } = await open({ '/tls/crt': 'a', '/tls/key': 'b' })
  await clock.advance(30_000)
  assert.deepEqual(changes, [])
  world.files.set('/tls/key', 'e')
  await clock.advance(10_050)
  assert.deepEqual(changes, ['a+e'])
  await watched[Symbol.asyncDispose]()
})

test('a failed reading keeps the old value, is told once, and heals', async () => {
  const { world, clock, watched, changes, failures } = await open({ '/tls/crt': 'a', '/tls/key': 'b' })
  world.files.delete('/tls/key')
  await clock.advance(30_000)
  assert.deepEqual([watched.value, failures], ['a+b', ['no file /tls/key']])
  world.files.set('/tls/key', 'bad')
  await clock.advance(30_000)
  assert.deepEqual([watched.value, failures.length], ['a+b', 2])
  world.files.set('/tls/key', 'f')
  world.touch('/tls')
  await clock.advance(100)
  assert.deepEqual([watched.value, changes], ['a+f', ['a+f']])
  world.touch('/tls')
  await watched[Symbol.asyncDispose]()
  assert.equal(clock.armed, 0)
})

test('a file that is rewritten in place is not judged while it is empty, nor while it grows', async () => {
  const { world, clock, watched, changes, failures } = await open({ '/tls/crt': 'a', '/tls/key': 'b' })
  for (const text of ['', 'bad', 'bad now go', 'good']) {
    world.files.set('/tls/key', text)
    world.touch('/tls')
    await clock.advance(text === '' ? 1900 : 60)
    assert.deepEqual([changes, failures], [[], []], text)
  }
  await clock.advance(100)
  assert.deepEqual([changes, failures], [['a+good'], []])

  world.files.set('/tls/key', '')
  world.touch('/tls')
  await clock.advance(3000)
  assert.deepEqual(changes, ['a+good', 'a+'], 'it is meant to be empty')
  await watched[Symbol.asyncDispose]()
})

test('what is read counts when it has been the same for a while', () => {
  const [some, none] = [Buffer.from('text'), Buffer.alloc(0)]
  const wait = (now: number, ...contents: readonly Buffer[]): number =>
    settlesIn({ contents, since: 1000 }, now)
  assert.deepEqual([wait(1000, some), wait(1040, some), wait(1050, some)], [50, 10, 0])
  assert.deepEqual([wait(1050, some, none), wait(3000, some, none)], [1950, 0])
})

test('the disk is read and watched; what cannot be watched is left to the poll', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'watched-'))
  const changed = Promise.withResolvers<void>()
  using _watching = disk.watch(directory, changed.resolve)
  await writeFile(join(directory, 'file'), 'text')
  assert.equal(String(await disk.read(join(directory, 'file'))), 'text')
  await changed.promise
  using _nothing = disk.watch(join(directory, 'missing'), assert.fail)
  await rm(directory, { recursive: true })
})
