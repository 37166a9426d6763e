import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

interface Doors {
  /** Other rooms, with the rooms inside them, and single files that this room may import from. */
  readonly may: readonly string[]
  /** A pure room imports no package: none of ours only computes. */
  readonly pure?: true
}

/** The architecture (CONTRIBUTING.md, "The rooms") as a table. */
const doors: Record<string, Doors> = {
  shared: { may: ['proto/gen'] },
  'discovery/validation': { may: ['shared'], pure: true },
  'discovery/state': { may: ['discovery/validation', 'shared'], pure: true },
  'discovery/limits': { may: ['discovery/validation', 'shared'], pure: true },
  'discovery/subscription': { may: ['discovery/state', 'shared'], pure: true },
  'discovery/store': { may: ['discovery/validation', 'discovery/state', 'discovery/limits', 'shared'] },
  'discovery/store/redis': {
    may: ['discovery/store', 'discovery/validation', 'discovery/state', 'shared'],
  },
  'discovery/storage': { may: ['discovery/validation', 'discovery/state', 'shared', 'proto/gen'] },
  'discovery/transport': {
    may: [
      'discovery/validation',
      'discovery/state',
      'discovery/store',
      'discovery/subscription',
      'discovery/limits',
      'shared',
      'proto/gen',
    ],
  },
  'discovery/web': {
    may: ['discovery/validation', 'discovery/state', 'discovery/store', 'discovery/subscription', 'shared'],
  },
  'discovery/admin': { may: ['discovery/validation', 'discovery/state', 'discovery/store', 'shared'] },
  'discovery/warm-up': {
    may: [
      'discovery/state',
      'discovery/store',
      'discovery/subscription',
      'discovery/limits',
      'discovery/transport',
      'discovery/web',
      'discovery/call-log.ts',
      'discovery/call-observer.ts',
      'discovery/config.ts',
      'discovery/service.ts',
      'shared',
    ],
  },
  'kubespan/model': { may: ['shared'], pure: true },
  // Four questions that do not look into each other; the passes tie their answers together.
  'kubespan/plan/self': { may: ['kubespan/model', 'shared'], pure: true },
  'kubespan/plan/members': { may: ['kubespan/model', 'shared'], pure: true },
  'kubespan/plan/peers': { may: ['kubespan/model', 'shared'], pure: true },
  'kubespan/plan/paths': { may: ['kubespan/model', 'shared'], pure: true },
  'kubespan/diff': { may: ['kubespan/model', 'shared'], pure: true },
  'kubespan/host': { may: ['shared'] },
  'kubespan/sources': { may: ['kubespan/model', 'kubespan/host', 'shared', 'proto/gen'] },
  'kubespan/apply': { may: ['kubespan/model', 'kubespan/diff', 'kubespan/host', 'shared'] },
  'kubespan/config': { may: ['kubespan/model', 'shared'] },
  'kubespan/control': { may: ['kubespan/model', 'shared'] },
  'kubespan/inspect': {
    may: ['kubespan/model', 'kubespan/host', 'kubespan/sources', 'kubespan/apply', 'shared'],
  },
  'kubespan/doctor': {
    may: [
      'kubespan/model',
      'kubespan/diff',
      'kubespan/host',
      'kubespan/sources',
      'kubespan/apply',
      'kubespan/inspect',
      'kubespan/config',
      'shared',
    ],
  },
  'kubespan/bugreport': { may: ['kubespan/model', 'kubespan/host', 'shared'] },
  'kubespan/metrics': { may: ['kubespan/model', 'shared'] },
  'kubespan/cli': { may: ['kubespan/model', 'shared'] },
  // What a command does; what several commands share belongs to another room.
  'kubespan/commands': { may: ['kubespan', 'shared'] },
  'kubespan/controllers': {
    may: [
      'kubespan/controllers',
      'kubespan/model',
      'kubespan/plan',
      'kubespan/host',
      'kubespan/sources',
      'shared',
    ],
  },
  'kubespan/controllers/members': {
    may: [
      'kubespan/controllers/mesh-host.ts',
      'kubespan/controllers/view.ts',
      'kubespan/model',
      'kubespan/plan',
      'kubespan/sources',
      'shared',
    ],
  },
  'kubespan/controllers/paths': {
    may: [
      'kubespan/controllers/announce.ts',
      'kubespan/controllers/mesh-host.ts',
      'kubespan/model',
      'kubespan/plan/paths',
      'kubespan/plan/self/own-addresses.ts',
      'kubespan/host',
      'kubespan/sources',
      'shared',
    ],
  },
  'kubespan/controllers/host': {
    may: [
      'kubespan/controllers/counters.ts',
      'kubespan/controllers/mesh-host.ts',
      'kubespan/model',
      'kubespan/plan',
      'kubespan/host',
      'kubespan/sources',
      'kubespan/apply',
      'shared',
    ],
  },
}

/** The files of a room; those of rooms inside it are theirs. */
const filesOf = (room: string): string[] =>
  readdirSync(room, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(room, name))
    .filter((file) => roomOf(file) === room)

/** The innermost room that a file is in. */
const roomOf = (file: string): string | undefined =>
  Object.keys(doors)
    .filter((room) => file.startsWith(`${room}/`))
    .sort((a, b) => b.length - a.length)[0]

const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:^import|\bfrom|\bimport\()\s*'([^']+)'/gm)].map(
    ([, from]) => from ?? '',
  )

for (const [room, { may, pure }] of Object.entries(doors)) {
  test(`${room} keeps to its doors`, () => {
    const files = filesOf(room)
    assert.ok(files.length > 0, 'the room exists; rename it here when you rename it there')
    for (const file of files) {
      for (const from of importsOf(file)) {
        const inside = from.startsWith('.') ? normalize(join(dirname(file), from)) : undefined
        if (inside === undefined) assert.ok(!pure, `${file} imports ${from}`)
        else
          assert.ok(
            roomOf(inside) === room ||
              may.some((allowed) => inside === allowed || inside.startsWith(`${allowed}/`)),
            `${file} looks into ${inside}`,
          )
      }
    }
  })
}

test('every room is in the table, and the two halves do not know each other', () => {
  for (const half of ['discovery', 'kubespan']) {
    const files = readdirSync(half, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(half, name))
    for (const file of files)
      assert.ok(dirname(file) === half || roomOf(file) !== undefined, `${file} is in no room`)
    const other = half === 'discovery' ? 'kubespan' : 'discovery'
    for (const file of files)
      for (const from of importsOf(file))
        assert.ok(!normalize(join(dirname(file), from)).startsWith(`${other}/`), `${file} imports ${from}`)
  }
})

test('no file imports itself by way of others, not even a type', () => {
  const settled = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    assert.ok(!way.includes(file), [...way, file].join(' → '))
    if (settled.has(file)) return
    for (const from of importsOf(file))
      if (from.startsWith('.')) visit(normalize(join(dirname(file), from)), [...way, file])
    settled.add(file)
  }
  for (const part of ['discovery', 'kubespan', 'shared'])
    for (const name of readdirSync(part, { recursive: true, encoding: 'utf8' }))
      if (name.endsWith('.ts')) visit(join(part, name), [])
})
