import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatListenAddress, parseListenAddress } from '../../../../shared/net/listen-address.ts'

test('every form that is read is written again as it was', () => {
  assert.deepEqual(parseListenAddress(':3000'), { host: undefined, port: 3000 })
  assert.deepEqual(parseListenAddress('10.0.0.1:0'), { host: '10.0.0.1', port: 0 })
  assert.deepEqual(parseListenAddress('localhost:65535'), { host: 'localhost', port: 65535 })
  assert.deepEqual(parseListenAddress('[::1]:3000'), { host: '::1', port: 3000 })
  assert.deepEqual(parseListenAddress('unix:/run/a.sock'), { path: '/run/a.sock' })
  for (const text of [':3000', '10.0.0.1:0', 'localhost:65535', '[::1]:3000', 'unix:/run/a.sock']) {
    const address = parseListenAddress(text)
    assert.ok(address !== undefined)
    assert.equal(formatListenAddress(address), text)
  }
})

test('what is no place to listen is refused', () => {
  for (const text of [
    '',
    '3000',
    ':',
    ':65536',
    '::1:3000',
    '[10.0.0.1]:1',
    '[::1]',
    'a b:1',
    'unix:',
    ':3000 ',
  ])
    assert.equal(parseListenAddress(text), undefined, text)
})
