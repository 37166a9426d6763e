import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SoakPlan, soak } from './soak.ts'

/** `make soak`: the sizes of a real service. Both forms are bounded by their time. */
const isLong = process.env.SOAK === 'long'
const PLAN: Omit<SoakPlan, 'seed' | 'report'> = isLong
  ? { clusters: 200, watchersPerCluster: 10, seconds: 600, changesPerSecond: 300 }
  : { clusters: 20, watchersPerCluster: 10, seconds: 24, changesPerSecond: 150 }

const GROWTH_MAX = 1.1
const RSS_CAP_BYTES = (isLong ? 500 : 250) * 1024 * 1024

test('every watcher ends with what List says, and the memory is flat', async () => {
  const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 32)
  process.stdout.write(`FUZZ_SEED=${seed}\n`)
  const report = (line: string): void => {
    if (isLong || process.env.TEST_VERBOSE) process.stdout.write(`soak: ${line}\n`)
  }
  const { wrongViews, faults, complaints, memories } = await soak({ ...PLAN, seed, report })
  assert.deepEqual(wrongViews, [])
  assert.deepEqual(faults, [])
  assert.deepEqual(complaints, [])
  const [first, , last] = memories
  assert.ok(first !== undefined && last !== undefined)
  assert.ok(
    last.held <= first.held * GROWTH_MAX,
    `held ${first.held} bytes after a third, ${last.held} at the end`,
  )
  assert.ok(last.rss < RSS_CAP_BYTES, `resident ${last.rss} bytes`)
})
