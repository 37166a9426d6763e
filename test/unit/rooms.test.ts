import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

interface Doors {
  /** Other rooms that this room may import from. */
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
  'discovery/storage': { may: ['discovery/validation', 'discovery/state', 'shared', 'proto/gen'] },
  'discovery/transport': {
    may: [
      'discovery/validation',
      'discovery/state',
      'discovery/subscription',
      'discovery/limits',
      'shared',
      'proto/gen',
    ],
  },
  'discovery/web': { may: ['discovery/validation', 'discovery/state', 'discovery/subscription', 'shared'] },
  'discovery/admin': { may: ['discovery/state', 'shared'] },
  'kubespan/model': { may: ['shared'], pure: true },
  'kubespan/plan': { may: ['kubespan/model', 'shared'], pure: true },
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
  'kubespan/controllers': {
    may: [
      'kubespan/model',
      'kubespan/plan',
      'kubespan/diff',
      'kubespan/host',
      'kubespan/sources',
      'kubespan/apply',
      'shared',
    ],
  },
}

const importsOf = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:^import|\bfrom|\bimport\()\s*'([^']+)'/gm)].map(
    ([, from]) => from ?? '',
  )

for (const [room, { may, pure }] of Object.entries(doors)) {
  test(`${room} keeps to its doors`, () => {
    const files = readdirSync(room, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )
    assert.ok(files.length > 0, 'the room exists; rename it here when you rename it there')
    for (const file of files.map((name) => join(room, name))) {
      for (const from of importsOf(file)) {
        const inside = from.startsWith('.') ? normalize(join(dirname(file), from)) : undefined
        if (inside === undefined) assert.ok(!pure, `${file} imports ${from}`)
        else
          assert.ok(
            [room, ...may].some((allowed) => inside.startsWith(`${allowed}/`)),
            `${file} looks into ${inside}`,
          )
      }
    }
  })
}

test('every room is in the table, and the two halves do not know each other', () => {
  for (const half of ['discovery', 'kubespan']) {
    const rooms = readdirSync(half, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    for (const { name } of rooms)
      assert.ok(doors[`${half}/${name}`] !== undefined, `${half}/${name} has no doors`)
    const other = half === 'discovery' ? 'kubespan' : 'discovery'
    const files = readdirSync(half, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    )
    for (const file of files.map((name) => join(half, name)))
      for (const from of importsOf(file))
        assert.ok(!normalize(join(dirname(file), from)).startsWith(`${other}/`), `${file} imports ${from}`)
  }
})
