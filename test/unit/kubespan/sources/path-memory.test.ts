import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadPaths, type StoredPaths, savePaths } from '../../../../kubespan/sources/path-memory.ts'

const paths: StoredPaths = [['192.0.2.0/24', [['key', '192.0.2.9:51820']]]]

test('paths are kept, for their owner only, and what cannot be read counts as nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-paths-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'state', 'paths.json')
  assert.deepEqual(await loadPaths(file), [])
  await savePaths(file, paths)
  await savePaths(file, paths)
  assert.deepEqual(await loadPaths(file), paths)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(directory, 'state')), ['paths.json'], 'no draft is left')
  for (const text of [
    '',
    '[]',
    '{"format":"x","networks":[]}',
    '{"format":"openspan paths 1","networks":7}',
  ]) {
    writeFileSync(file, text)
    assert.deepEqual(await loadPaths(file), [], text)
  }
  writeFileSync(file, '{"format":"openspan paths 1","networks":[["n",[["key","no endpoint"]]]]}')
  assert.deepEqual(await loadPaths(file), [['n', []]])
})

test('a draft that cannot take the place of the file is removed', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-paths-'))
  t.after(() => rmSync(directory, { recursive: true }))
  await savePaths(join(directory, 'taken', 'x'), paths)
  await assert.rejects(savePaths(join(directory, 'taken'), paths))
  assert.deepEqual(readdirSync(directory), ['taken'])
})
