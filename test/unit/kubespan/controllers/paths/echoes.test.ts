import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Echoes } from '../../../../../kubespan/controllers/paths/echoes.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const [one, two] = ['fd00::1', 'fd00::2'] as [Address, Address]

test('the latest echo that was answered is kept until it is forgotten, and when it was asked', async () => {
  const clock = new ManualClock()
  const start = clock.now()
  let took = 5
  const echoes = new Echoes(async () => {
    await clock.advance(took)
    return new Map([[one, took]])
  }, clock)
  assert.deepEqual([...((await echoes.ask([one, two])) ?? [])], [[one, 5]])
  assert.deepEqual(
    [echoes.latest(one), echoes.latest(two)],
    [{ askedAt: start, sentBefore: start, roundTrip: 5 }, undefined],
  )
  took = 7
  await echoes.ask([one])
  assert.deepEqual(echoes.latest(one), { askedAt: start + 5, sentBefore: start + 5, roundTrip: 7 })
  echoes.forget(one)
  assert.equal(echoes.latest(one), undefined)
})

test('where nobody can be asked it is not tried again for a while', async () => {
  const clock = new ManualClock()
  let asked = 0
  const echoes = new Echoes(async () => {
    asked += 1
    if (asked === 1) return undefined
    throw new Error('fping hangs')
  }, clock)
  assert.deepEqual([echoes.canAsk, await echoes.ask([one]), echoes.canAsk], [true, undefined, false])
  assert.deepEqual([await echoes.ask([one]), asked], [undefined, 1])
  await clock.advance(600_000)
  assert.deepEqual([await echoes.ask([one]), asked, echoes.canAsk], [undefined, 2, false])
})
