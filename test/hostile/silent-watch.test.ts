import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { Bed, Traffic } from './bed.ts'

const SAID_AFTER_MS = 32_000

test('a service that never answers a watch is told of', { skip }, async () => {
  await using bed = await Bed.make('mute', { names: ['a', 'b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  await service.behave({ watch: 'never' })
  await service.order({ do: 'end watches' })
  await mesh.until(a, ({ services }) => services[0]?.connected === false, PATIENCE_MS)
  // The end of the watch before may be told of, but only for the time until the next one.
  const { services } = await afterPeriod(mesh, a, SAID_AFTER_MS)
  const { problem } = services[0] ?? {}
  assert.ok(problem !== undefined, 'it is not connected, and no problem is told')
  const { stdout } = await mesh.kubespan(a, ['status'], { check: false })
  assert.ok(stdout.includes(problem), stdout)
  await traffic.assertUnharmed()
})
