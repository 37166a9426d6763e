import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { resolve } from 'node:path'
import { test } from 'node:test'

/** Makes much garbage beside little that lives, in a process of its own: these settings are for all of one. */
const script = (before: string): string => `
  ${before}
  const live = Array.from({ length: 2000 }, (_, n) => ({ n, words: Array.from({ length: 50 }, (_, m) => n + '.' + m) }))
  for (let round = 0; round < 20; round += 1) JSON.parse(JSON.stringify(live))
  console.log(require('node:v8').getHeapStatistics().total_heap_size)`

test('garbage does not pile up', () => {
  const heap = JSON.stringify(resolve('kubespan/host/heap.ts'))
  const measure = (before: string): number =>
    Number(execFileSync(process.execPath, ['-e', script(before)], { encoding: 'utf8' }))
  const small = measure(`require(${heap}).keepHeapSmall()`)
  assert.ok(small < measure(''), `${small} bytes`)
})
