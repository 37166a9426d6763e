import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  QUICK_ROTATION,
  type Rotation,
  stepRotation,
} from '../../../../../kubespan/plan/paths/quick-rotation.ts'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const ranked = (count: number): RankedEndpoint[] =>
  Array.from({ length: count }, (_, rank) => ({
    endpoint: `192.0.2.${rank}:1` as AddressPort,
    class: 'public IPv4' as const,
    rank,
  }))

/** What is written and when, looking whenever something is due. */
function run(count: number, turns: number): string[] {
  const written: string[] = []
  let rotation: Rotation | undefined
  let now = 0
  while (written.length < turns) {
    const step = stepRotation(ranked(count), rotation, now, QUICK_ROTATION)
    if (step.endpoint !== undefined) written.push(`${now} ${step.endpoint}`)
    rotation = step.rotation
    now = rotation.nextAt
  }
  return written
}

test('each candidate once within a second, then with pauses that grow', () => {
  assert.deepEqual(run(4, 10), [
    '0 192.0.2.0:1',
    '250 192.0.2.1:1',
    '500 192.0.2.2:1',
    '750 192.0.2.3:1',
    '6000 192.0.2.0:1',
    '6250 192.0.2.1:1',
    '6500 192.0.2.2:1',
    '6750 192.0.2.3:1',
    '17000 192.0.2.0:1',
    '17250 192.0.2.1:1',
  ])
})

test('with many candidates each has its moment all the same, with one it is tried less and less', () => {
  assert.deepEqual(run(20, 3), ['0 192.0.2.0:1', '100 192.0.2.1:1', '200 192.0.2.2:1'])
  assert.deepEqual(
    run(1, 6).map((line) => Number(line.split(' ')[0])),
    [0, 6000, 17_000, 38_000, 79_000, 140_000],
  )
})

test('within a turn nothing happens, without candidates nothing ever', () => {
  const { rotation } = stepRotation(ranked(2), undefined, 0, QUICK_ROTATION)
  assert.deepEqual(stepRotation(ranked(2), rotation, 499, QUICK_ROTATION), { rotation, endpoint: undefined })
  const none = stepRotation([], rotation, 9999, QUICK_ROTATION)
  assert.equal(none.endpoint, undefined)
  assert.equal(
    stepRotation(ranked(2), none.rotation, none.rotation.nextAt, QUICK_ROTATION).endpoint,
    '192.0.2.0:1',
  )
})
