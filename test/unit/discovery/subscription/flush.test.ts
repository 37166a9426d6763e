import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flushDelay } from '../../../../discovery/subscription/flush.ts'

const pacing = { interval: 100, costFactor: 25, maxInterval: 500 }

const cases: { last: number; cost: number; now: number; want: number; why: string }[] = [
  { last: -Infinity, cost: 0, now: 0, want: 0, why: 'the first change goes out at once' },
  { last: 1000, cost: 0, now: 1000, want: 100, why: 'the next one waits for the interval' },
  { last: 1000, cost: 0, now: 1070, want: 30, why: 'for what is left of it' },
  { last: 1000, cost: 0, now: 1100, want: 0, why: 'or not at all when it is over' },
  { last: 1000, cost: 0, now: 9000, want: 0, why: 'after a quiet time at once' },
  { last: 1000, cost: 4, now: 1000, want: 100, why: 'a cheap flush changes nothing' },
  { last: 1000, cost: 10, now: 1000, want: 250, why: 'a dear one stretches the pause' },
  { last: 1000, cost: 999, now: 1000, want: 500, why: 'up to a limit' },
]
for (const { last, cost, now, want, why } of cases)
  test(`flush: ${why}`, () =>
    assert.equal(flushDelay({ lastFlushAt: last, lastFlushCost: cost }, now, pacing), want))
