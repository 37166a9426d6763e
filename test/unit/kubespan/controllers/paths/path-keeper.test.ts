import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathKeeper } from '../../../../../kubespan/controllers/paths/path-keeper.ts'
import type { StoredPaths } from '../../../../../kubespan/sources/path-memory.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'
import { linkOf } from '../../../../support/links.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { statusOf } from '../../../../support/peers.ts'
import { settingsOf } from '../../../../support/settings.ts'

const settings = settingsOf()
const home = [linkOf('eth0', ['192.168.1.7/24'])]
const upAt = (endpoint: string) =>
  new Map([['key', statusOf({ state: 'up', endpoint: endpoint as AddressPort })]])

function world(stored: StoredPaths = []) {
  const clock = new ManualClock()
  const saved: StoredPaths[] = []
  const warnings: string[] = []
  const trouble = { isFull: false }
  const store = {
    load: async () => stored,
    save: async (_: unknown, paths: StoredPaths) => {
      if (trouble.isFull) throw new Error('ENOSPC')
      saved.push(paths)
    },
  }
  return {
    clock,
    saved,
    warnings,
    trouble,
    keeper: new PathKeeper(store, clock, (text) => warnings.push(text)),
  }
}

test('what worked on this network before the start is known', async () => {
  const { keeper } = world([['192.168.1.0/24', [['key', '192.168.1.9:51820']]]])
  assert.deepEqual([...(await keeper.lastWorked(settings, home))], [['key', '192.168.1.9:51820']])
  assert.equal((await keeper.lastWorked(settings, [linkOf('eth0', ['10.0.0.1/8'])])).size, 0)
})

test('changes are written together after a while, and nothing when nothing changed', async () => {
  const { keeper, clock, saved } = world()
  await keeper.lastWorked(settings, home)
  await keeper.keep(settings, home, upAt('192.0.2.1:1'))
  await keeper.keep(settings, home, upAt('192.0.2.2:1'))
  assert.deepEqual(saved, [])
  await clock.advance(5000)
  await keeper.keep(settings, home, upAt('192.0.2.2:1'))
  assert.deepEqual(saved, [[['192.168.1.0/24', [['key', '192.0.2.2:1']]]]])
  await clock.advance(60_000)
  await keeper.keep(settings, home, upAt('192.0.2.2:1'))
  assert.equal(saved.length, 1)
})

test('at the end it is written at once, if there is anything to write', async () => {
  const { keeper, saved } = world()
  await keeper.flush()
  await keeper.lastWorked(settings, home)
  await keeper.keep(settings, home, upAt('192.0.2.1:1'))
  await keeper.flush()
  await keeper.flush()
  assert.deepEqual(saved, [[['192.168.1.0/24', [['key', '192.0.2.1:1']]]]])
})

test('a disk that is full is one warning, and the next change is tried again', async () => {
  const { keeper, clock, saved, warnings, trouble } = world()
  trouble.isFull = true
  for (const endpoint of ['192.0.2.1:1', '192.0.2.2:1']) {
    await keeper.keep(settings, home, upAt(endpoint))
    await clock.advance(5000)
    await keeper.keep(settings, home, upAt(endpoint))
  }
  assert.deepEqual(warnings, ['the paths that worked cannot be written: ENOSPC'])
  trouble.isFull = false
  await keeper.keep(settings, home, upAt('192.0.2.3:1'))
  await clock.advance(5000)
  await keeper.keep(settings, home, upAt('192.0.2.3:1'))
  assert.equal(saved.length, 1)
})
