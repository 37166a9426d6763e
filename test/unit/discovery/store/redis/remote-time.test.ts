import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RemoteTime } from '../../../../../discovery/store/redis/remote-time.ts'

test('nothing is known before the first answer, and after all was forgotten', () => {
  const time = new RemoteTime()
  assert.equal(time.at(5), undefined)
  time.sample(1000, 5)
  assert.equal(time.at(15), 1010)
  time.forget()
  assert.equal(time.at(20), undefined)
})

test('it is never ahead, and as close as the quickest answer of the last minute', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ pause: fc.nat(30_000), took: fc.nat(500) }), { minLength: 1 }),
      fc.integer({ min: -600_000, max: 600_000 }),
      (answers, offset) => {
        const time = new RemoteTime()
        let now = 0
        const recent: { now: number; took: number }[] = []
        for (const { pause, took } of answers) {
          now += pause + took
          time.sample(now - took + offset, now)
          recent.push({ now, took })
          const told = time.at(now) as number
          assert.ok(told <= now + offset)
          const quickest = Math.min(
            ...recent.filter((each) => each.now > now - 60_000).map((each) => each.took),
          )
          assert.ok(told >= now + offset - quickest)
        }
      },
    ),
  )
})

test('a clock that is slower than ours is followed', () => {
  const time = new RemoteTime()
  for (let now = 0; now <= 600_000; now += 1000) time.sample(1e6 + now * 0.99, now)
  assert.ok((time.at(600_000) as number) - (1e6 + 600_000 * 0.99) < 1300)
})
