import { test } from 'node:test'
import { afterPeriod, skip } from '../e2e/story.ts'
import { AFTER_GRACE_MS, Bed, Traffic } from './bed.ts'

test('where a second service is honest, what the first one does changes nothing', { skip }, async (t) => {
  await using bed = await Bed.make('both', { hasHonest: () => true })
  const { lab, mesh, service } = bed
  const afterGrace = () => Promise.all(lab.hosts.map((host) => afterPeriod(mesh, host, AFTER_GRACE_MS)))

  await t.test('says that all are deleted', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.behave({ swallows: true })
    await service.order({ do: 'say deleted' })
    await afterGrace()
    await traffic.assertUnharmed()
  })

  await t.test('withholds all records', async () => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.behave({ withholds: 'all' })
    await service.order({ do: 'end watches' })
    await afterGrace()
    await traffic.assertUnharmed()
  })
})
