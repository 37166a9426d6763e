import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAddress } from '../../shared/net/address.ts'
import { PATIENCE_MS, skip } from '../e2e/story.ts'
import { Bed, cpuPercent, loadOf, Traffic } from './bed.ts'
import { Liar, nobody } from './liar.ts'
import type { Order } from './orders.ts'

const CPU_MAX_PERCENT = 30
const SECONDS = 5
const STATES = 200

test('a service that talks all the time takes a third of a core at most', { skip }, async (t) => {
  await using bed = await Bed.make('flood', { names: ['a', 'b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  const liar = new Liar(mesh.cluster)
  const base = nobody(mesh.cluster.clusterId)
  const states: Order[] = Array.from({ length: STATES }, (_, n) => {
    const address = parseAddress(`198.18.200.${n}`) ?? assert.fail()
    return { do: 'say', records: [liar.seal({ ...base, addresses: [address] })] }
  })
  const floods: Readonly<Record<string, Order>> = {
    '12,000 messages a second of nothing new': {
      do: 'repeat',
      orders: [{ do: 'say present' }],
      everyMilliseconds: 10,
      atOnce: 120,
    },
    '900 records a second that change': { do: 'repeat', orders: states, everyMilliseconds: 10, atOnce: 9 },
  }
  for (const [name, flood] of Object.entries(floods))
    await t.test(name, async () => {
      await using traffic = await Traffic.between(lab, ...lab.hosts)
      const said = (await service.order(flood)).said
      await sleep(1_000)
      const before = loadOf(mesh.daemon(a))
      await sleep(SECONDS * 1_000)
      const after = loadOf(mesh.daemon(a))
      const sight = await service.order({ do: 'stop repeating' })
      const percent = cpuPercent(before, after)
      if (process.env.TEST_VERBOSE) console.log(`# ${percent.toFixed(0)} %, ${sight.said - said} messages`)
      assert.ok(
        percent <= CPU_MAX_PERCENT,
        `${percent.toFixed(0)} % of a core; ${sight.said - said} messages taken, ${sight.held} held`,
      )
      await traffic.assertUnharmed()
    })

  await t.test('and what comes on a new watch is soon known', async () => {
    await service.order({ do: 'end watches' })
    const record = liar.seal({ ...nobody(mesh.cluster.clusterId), hostname: 'late' })
    await service.order({ do: 'take', records: [record] })
    await mesh.until(
      a,
      ({ affiliates }) => affiliates.some(({ nodeId }) => nodeId === record.id),
      PATIENCE_MS,
    )
  })
})
