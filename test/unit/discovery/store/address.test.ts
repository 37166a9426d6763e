import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatStoreAddress, parseStoreAddress } from '../../../../discovery/store/address.ts'

const there = { kind: 'redis', isTls: false, user: undefined, database: 0 } as const

for (const [text, address, written = text] of [
  ['memory', { kind: 'memory' }],
  ['redis://cache', { ...there, at: { host: 'cache', port: 6379 } }, 'redis://cache:6379'],
  ['redis://10.0.0.1:7000/3', { ...there, at: { host: '10.0.0.1', port: 7000 }, database: 3 }],
  [
    'rediss://a%40b@[2001:db8::1]:6380',
    { ...there, at: { host: '2001:db8::1', port: 6380 }, isTls: true, user: 'a@b' },
  ],
  ['redis+unix:/run/redis.sock', { ...there, at: { path: '/run/redis.sock' } }],
  [
    'redis+unix:///run/redis.sock',
    { ...there, at: { path: '/run/redis.sock' } },
    'redis+unix:/run/redis.sock',
  ],
] as const)
  test(`${text} is an address of a store`, () => {
    const parsed = parseStoreAddress(text)
    assert.deepEqual(parsed, address)
    assert.equal(formatStoreAddress(parsed as NonNullable<typeof parsed>), written)
  })

for (const text of [
  '',
  'redis',
  'redis://',
  'http://cache',
  'redis://user:secret@cache',
  'redis://cache/one',
  'redis://cache?tls=1',
  'redis+unix:relative.sock',
])
  test(`${text === '' ? 'nothing' : text} is none`, () => assert.equal(parseStoreAddress(text), undefined))
