import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageRoom } from '../../../../discovery/transport/message-room.ts'

test('small requests need no room, large ones share it', () => {
  const room = new MessageRoom(10_000)
  for (let request = 0; request < 1_000; request += 1) assert.ok(room.grow(0, 1024))
  assert.equal(room.held, 0)
  assert.ok(room.grow(1024, 8_000))
  assert.equal(room.grow(4096, 8_000), false)
  assert.equal(room.held, 8_000)
  assert.ok(room.grow(8_000, 10_000))
  assert.ok(room.grow(10_000, 0))
  assert.equal(room.held, 0)
})
