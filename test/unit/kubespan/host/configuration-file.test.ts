import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { groupNumber, writeConfiguration } from '../../../../kubespan/host/configuration-file.ts'

test('the number of a group', () => {
  const groups = 'root:x:0:\nkubespanners:x:7:\nkubespan:x:998:admin,other\nbroken:x::\n'
  assert.equal(groupNumber(groups, 'kubespan'), 998)
  assert.equal(groupNumber(groups, 'root'), 0)
  assert.equal(groupNumber(groups, 'span'), undefined)
  assert.equal(groupNumber(groups, 'broken'), undefined)
})

test('a configuration is for its owner alone, in a folder that need not be there, and replaces nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openspan-'))
  try {
    const path = join(directory, 'deep/er/config.yaml')
    await writeConfiguration(path, 'first')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    await assert.rejects(writeConfiguration(path, 'second'), { code: 'EEXIST' })
    assert.equal(await readFile(path, 'utf8'), 'first')
  } finally {
    await rm(directory, { recursive: true })
  }
})
