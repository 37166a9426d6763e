import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  loadPlacement,
  type PlacementOwner,
  savePlacement,
  systemBootId,
} from '../../../../kubespan/sources/placement-memory.ts'
import { settingsOf } from '../../../support/settings.ts'

const { placement } = settingsOf()
const owner: PlacementOwner = { bootId: 'b1', runDirectory: '/run/kubespan' }

test('a placement is known to who made it, until the next boot', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-placement-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'state', 'placement.json')
  assert.equal(await loadPlacement(file, owner), undefined)
  await savePlacement(file, owner, undefined)
  await savePlacement(file, owner, placement)
  assert.deepEqual(await loadPlacement(file, owner), placement)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(await loadPlacement(file, { ...owner, bootId: 'b2' }), undefined)
  assert.equal(await loadPlacement(file, { ...owner, runDirectory: '/run/other' }), undefined)
  const bootless = { ...owner, bootId: '' }
  await savePlacement(file, bootless, placement)
  assert.equal(await loadPlacement(file, bootless), undefined, 'it may be of any boot')
  await savePlacement(file, owner, undefined)
  assert.deepEqual(readdirSync(join(directory, 'state')), [])
  for (const text of ['', '[]', 'null', '{"format":"x"}']) {
    writeFileSync(file, text)
    assert.equal(await loadPlacement(file, owner), undefined, text)
  }
})

test('the boot has an id of its own', async () => {
  assert.match(await systemBootId(), /^[0-9a-f-]{36}$/)
  assert.equal(await systemBootId('/nowhere/boot_id'), '')
})
