import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  CACHE_AGE_MAX_MS,
  loadAffiliates,
  saveAffiliates,
} from '../../../../kubespan/sources/affiliate-cache.ts'
import { ClusterKey } from '../../../../shared/affiliate/seal.ts'
import { affiliateOf } from '../../../support/affiliates.ts'

const newKey = (): ClusterKey => ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
const known = [
  { affiliate: affiliateOf({ nodeId: 'one', nodename: 'secret-name' }), confirmedAt: 0 },
  { affiliate: affiliateOf({ nodeId: 'two' }), confirmedAt: 2000 },
]

function world(t: { after(clean: () => void): void }) {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-cache-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return { directory, path: join(directory, 'state', 'affiliates.cache'), key: newKey() }
}

test('what was saved is there again, sealed and for its owner only', async (t) => {
  const { path, key, directory } = world(t)
  await saveAffiliates(path, key, known)
  await saveAffiliates(path, key, known)
  assert.deepEqual(await loadAffiliates(path, key, 3000), JSON.parse(JSON.stringify(known)))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.ok(!readFileSync(path).includes('secret-name'))
  assert.deepEqual(readdirSync(join(directory, 'state')), ['affiliates.cache'], 'no draft is left')
})

test('what is old, foreign, broken or not there counts as nothing', async (t) => {
  const { path, key } = world(t)
  assert.deepEqual(await loadAffiliates(path, key, 0), [])
  await saveAffiliates(path, key, known)
  assert.deepEqual(await loadAffiliates(path, newKey(), 0), [])
  const ids = async (now: number) =>
    (await loadAffiliates(path, key, now)).map(({ affiliate }) => affiliate.nodeId)
  assert.deepEqual(await ids(CACHE_AGE_MAX_MS), ['one', 'two'])
  assert.deepEqual(await ids(CACHE_AGE_MAX_MS + 1), ['two'])
  assert.deepEqual(await ids(CACHE_AGE_MAX_MS + 2001), [])
  assert.deepEqual(await ids(-CACHE_AGE_MAX_MS), ['one', 'two'], 'the clock has jumped back')
  writeFileSync(path, key.sealAffiliate(Buffer.from('some affiliate')))
  assert.deepEqual(await loadAffiliates(path, key, 0), [])
  writeFileSync(path, key.sealAffiliate(Buffer.from('openspan affiliates 2{')))
  assert.deepEqual(await loadAffiliates(path, key, 0), [])
})

test('a cache that cannot be written is an error that leaves no draft', async (t) => {
  const { directory, key } = world(t)
  writeFileSync(join(directory, 'file'), '')
  await assert.rejects(saveAffiliates(join(directory, 'file', 'cache'), key, known))
})
