import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IDLE_PINS_MAX, PIN_LIFE, Pins } from '../../../../discovery/state/pins.ts'

test('the key of a cluster that is gone is kept for a week after a member wrote last', () => {
  const pins = new Pins()
  pins.set('gone', 'key', 0)
  pins.set('there', 'key', 0)
  pins.used('gone', 1000)
  pins.used('nobody', 1000)
  const exists = (clusterId: string): boolean => clusterId === 'there'
  pins.sweep(1000 + PIN_LIFE, exists)
  assert.deepEqual([pins.get('gone'), pins.get('there')], ['key', 'key'])
  pins.sweep(1001 + PIN_LIFE, exists)
  assert.deepEqual([pins.get('gone'), pins.get('there')], [undefined, 'key'])
})

test('of clusters that are gone so many keys are kept, those that were used last', () => {
  const pins = new Pins()
  for (let index = 0; index <= IDLE_PINS_MAX; index += 1) pins.set(`c${index}`, 'key', index)
  pins.used('c0', 1e6)
  pins.sweep(1e6, () => false)
  assert.deepEqual([pins.get('c0'), pins.get('c1'), pins.get('c2')], ['key', undefined, 'key'])
})
