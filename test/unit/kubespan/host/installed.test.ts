import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { findPrograms } from '../../../../kubespan/host/installed.ts'

test('a program is there when it can be started', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-installed-'))
  t.after(() => rmSync(directory, { recursive: true }))
  writeFileSync(join(directory, 'nft'), '')
  writeFileSync(join(directory, 'wg'), '')
  chmodSync(join(directory, 'wg'), 0o755)
  assert.deepEqual(await findPrograms(['ip', 'nft', 'wg'], `/nowhere:${directory}`), new Set(['wg']))
})
