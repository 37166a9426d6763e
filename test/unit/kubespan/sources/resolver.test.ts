import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Resolver, systemLookup } from '../../../../kubespan/sources/resolver.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'

function world() {
  const clock = new ManualClock()
  const names = new Map<string, readonly Address[]>()
  let changes = 0
  const resolver = new Resolver({
    clock,
    lookup: async (name) => names.get(name) ?? Promise.reject(new Error('ENOTFOUND')),
    onChange: () => {
      changes += 1
    },
  })
  return { clock, names, resolver, changes: () => changes }
}

test('an address is its own answer; a name has one when it was looked up', async () => {
  const { names, resolver, changes } = world()
  await using _ = resolver
  names.set('d.example', ['2001:db8::1', '192.0.2.1'] as Address[])
  assert.deepEqual(
    [...resolver.addressesOf(['192.0.2.9', 'd.example'])],
    [
      ['192.0.2.9', ['192.0.2.9']],
      ['d.example', []],
    ],
  )
  await settle()
  assert.equal(changes(), 1)
  assert.deepEqual(resolver.addressesOf(['192.0.2.9', 'd.example']).get('d.example'), [
    '192.0.2.1',
    '2001:db8::1',
  ])
})

test('answers are renewed, and stand while a name server is out of reach', async () => {
  const { clock, names, resolver, changes } = world()
  await using _ = resolver
  names.set('d.example', ['192.0.2.1'] as Address[])
  resolver.addressesOf(['d.example'])
  await settle()
  names.clear()
  await clock.advance(60_000)
  assert.deepEqual(resolver.addressesOf(['d.example']).get('d.example'), ['192.0.2.1'])
  names.set('d.example', ['192.0.2.2'] as Address[])
  await clock.advance(5_000)
  assert.deepEqual(resolver.addressesOf(['d.example']).get('d.example'), ['192.0.2.2'])
  assert.equal(changes(), 2)
})

test('while somebody cannot connect, answers are renewed at once and often', async () => {
  const { clock, names, resolver } = world()
  await using _ = resolver
  names.set('d.example', ['192.0.2.1'] as Address[])
  resolver.addressesOf(['d.example'], true)
  await settle()
  const moveTo = (address: string): void => void names.set('d.example', [address] as Address[])
  const known = (isPressing: boolean) => resolver.addressesOf(['d.example'], isPressing).get('d.example')
  moveTo('192.0.2.2')
  await clock.advance(5_000)
  assert.deepEqual(known(false), ['192.0.2.2'])
  await clock.advance(5_000)
  moveTo('192.0.2.3')
  await clock.advance(5_000)
  assert.deepEqual(known(true), ['192.0.2.2'])
  await settle()
  assert.deepEqual(known(true), ['192.0.2.3'])
})

test('names that nobody asks for are forgotten, and no timer is left', async () => {
  const { clock, names, resolver } = world()
  names.set('d.example', ['192.0.2.1'] as Address[])
  resolver.addressesOf(['d.example'])
  await settle()
  resolver.addressesOf([])
  assert.deepEqual(resolver.addressesOf(['d.example']).get('d.example'), [])
  await settle()
  await resolver[Symbol.asyncDispose]()
  assert.equal(clock.armed, 0)
})

test('the system knows localhost', async () => {
  assert.ok((await systemLookup('localhost')).length > 0)
})
