import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { PATIENCE_MS, skip } from '../e2e/story.ts'
import { patient } from '../support/patience.ts'
import { Bed, loadOf, Traffic } from './bed.ts'

const MORE_MEMORY_MAX_MB = 64
const STANDSTILL_MAX_MS = 200
const LOOK_EVERY_MS = 20
/** The daemons come back within a second each time. */
const LASTS_MS = 4_000
/** 63 MB, and 61 kB when they are compressed. */
const RECORDS = 31_500_000

test('messages of a size that no honest service needs cost neither memory nor time', { skip }, async (t) => {
  await using bed = await Bed.make('huge', { names: ['a', 'b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  await using traffic = await Traffic.between(lab, ...lab.hosts)

  for (const [name, emptyRecords, compresses] of [
    ['compressed', RECORDS, true],
    ['as they are', RECORDS, false],
    ['not quite as large', 4_000_000, false],
  ] as const)
    await t.test(name, async () => {
      const before = loadOf(mesh.daemon(a)).rssMegabytes
      const { hellos } = await service.behave({ compresses, emptyRecords })
      await service.order({ do: 'end watches' })
      let [rss, standstill] = [before, 0]
      for (
        const endsAt = performance.now() + LASTS_MS;
        performance.now() < endsAt && standstill < LASTS_MS;
      ) {
        const from = loadOf(mesh.daemon(a))
        await mesh.control(a).view()
        const to = loadOf(mesh.daemon(a))
        // Who stands still because the machine is busy with others uses up no time.
        const [wall, cpu] = [
          to.atMilliseconds - from.atMilliseconds,
          to.cpuMilliseconds - from.cpuMilliseconds,
        ]
        standstill = Math.max(standstill, Math.min(wall, cpu))
        rss = Math.max(rss, to.rssMegabytes)
        await sleep(LOOK_EVERY_MS)
      }
      const came = (await service.behave({})).hellos - hellos
      const more = Math.round(rss - before)
      const words = `${more} MB more, stood still for ${Math.round(standstill)} ms, ${came} times`
      if (process.env.TEST_VERBOSE) console.log(`# ${words}`)
      assert.ok(mesh.daemon(a).isRunning && came > 0, words)
      assert.ok(more <= MORE_MEMORY_MAX_MB && standstill <= patient(STANDSTILL_MAX_MS), words)
    })

  await t.test('nobody loses a packet, and all is well afterwards', async () => {
    await service.order({ do: 'end watches' })
    await traffic.assertUnharmed()
    await mesh.until(a, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
  })
})
