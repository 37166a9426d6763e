import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

const VECTORS = 'test/vectors'

function check(...folders: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['test/conformance/vectors.ts', ...folders],
    { encoding: 'utf8' },
  )
  return { status, lines: stdout.trimEnd().split('\n'), stderr }
}

/** A copy of the vectors, changed. */
function withCopy(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'vectors-'))
  try {
    cpSync(VECTORS, folder, { recursive: true })
    run(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('every file has its line, and all pass', () => {
  const { status, lines } = check(VECTORS)
  assert.equal(status, 0)
  assert.equal(lines.length, 13)
  for (const line of lines) assert.match(line, /^[a-z0-9-]+\.(json|binpb): [1-9]\d* passed, 0 failed$/)
})

test('a wrong case, a case of no known kind, and a missing file fail by name', () => {
  withCopy((folder) => {
    const path = join(folder, 'base62.json')
    const recorded = JSON.parse(readFileSync(path, 'utf8'))
    recorded.cases[0].encoded = 'B'
    recorded.cases.push({ name: 'new', encoded: 'B' })
    writeFileSync(path, JSON.stringify(recorded))
    rmSync(join(folder, 'ula.json'))
    rmSync(join(folder, 'snapshot.binpb'))
    writeFileSync(join(folder, 'rotation.json'), '{"cases":[]}')
    const { status, lines } = check(folder)
    assert.equal(status, 1)
    for (const line of [
      `FAILED base62.json: ${recorded.cases[0].name}`,
      'FAILED base62.json: new',
      `base62.json: ${recorded.cases.length - 2} passed, 2 failed`,
      'FAILED ula.json: missing file',
      'ula.json: 0 passed, 1 failed',
      'FAILED snapshot.binpb: missing file',
      'FAILED rotation.json: no cases',
      'peer-state.json: 45 passed, 0 failed',
    ])
      assert.ok(lines.includes(line), `${line}\n---\n${lines.join('\n')}`)
  })
})

test('misuse is told apart from failure', () => {
  for (const folders of [[], ['/nowhere'], [VECTORS, VECTORS], ['package.json']]) {
    const { status, stderr } = check(...folders)
    assert.equal(status, 2)
    assert.match(stderr, /^usage: /)
  }
})
