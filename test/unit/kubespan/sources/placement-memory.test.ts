import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  loadPlacements,
  type PlacementOwner,
  savePlacements,
  systemBootId,
} from '../../../../kubespan/sources/placement-memory.ts'
import { settingsOf } from '../../../support/settings.ts'

const placements = [settingsOf().placement]
const owner: PlacementOwner = { bootId: 'b1', runDirectory: '/run/kubespan' }

const BROKEN = JSON.stringify({ format: 'openspan placements 1', ...owner, placements: 7 })

test('a placement is known to who made it, until the next boot', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-placement-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'state', 'placement.json')
  assert.deepEqual(await loadPlacements(file, owner), [])
  await savePlacements(file, owner, [])
  await savePlacements(file, owner, placements)
  assert.deepEqual(await loadPlacements(file, owner), placements)
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.deepEqual(await loadPlacements(file, { ...owner, bootId: 'b2' }), [])
  assert.deepEqual(await loadPlacements(file, { ...owner, runDirectory: '/run/other' }), [])
  const bootless = { ...owner, bootId: '' }
  await savePlacements(file, bootless, placements)
  assert.deepEqual(await loadPlacements(file, bootless), [], 'it may be of any boot')
  await savePlacements(file, owner, [])
  assert.deepEqual(readdirSync(join(directory, 'state')), [])
  for (const text of ['', '[]', 'null', '{"format":"x"}', BROKEN]) {
    writeFileSync(file, text)
    assert.deepEqual(await loadPlacements(file, owner), [], text)
  }
})

test('the boot has an id of its own', async () => {
  assert.match(await systemBootId(), /^[0-9a-f-]{36}$/)
  assert.equal(await systemBootId('/nowhere/boot_id'), '')
})
