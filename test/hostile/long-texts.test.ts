import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { Bed, loadOf, Traffic } from './bed.ts'

const RECORDS = 20
const ID_CHARACTERS = 1_000_000
const TEXT_CHARACTERS = 50_000
const LOG_MAX_BYTES = 100_000
const STATUS_MAX_CHARACTERS = 10_000
const MORE_MEMORY_MAX_MB = 64

test('long texts of a service are not kept, shown or logged whole', { skip }, async (t) => {
  await using bed = await Bed.make('long', { names: ['a', 'b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  await using traffic = await Traffic.between(lab, ...lab.hosts)

  await t.test('the words of a refusal', async () => {
    const before = loadOf(mesh.daemon(a))
    const text = 'x'.repeat(TEXT_CHARACTERS)
    await service.behave({
      hello: { status: 7, text },
      update: { status: 8, text },
      watch: { status: 14, text },
    })
    await service.order({ do: 'end watches' })
    await mesh.until(a, ({ services }) => services[0]?.problem !== undefined, PATIENCE_MS)
    await afterPeriod(mesh, a, 2_000)
    const { stdout } = await mesh.kubespan(a, ['status'], { check: false })
    assert.ok(stdout.length <= STATUS_MAX_CHARACTERS, `status has ${stdout.length} characters`)
    const logged = loadOf(mesh.daemon(a)).logBytes - before.logBytes
    assert.ok(logged <= LOG_MAX_BYTES, `${logged} bytes logged`)
    await service.behave({})
    await mesh.until(a, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
  })

  await t.test('ids of a megabyte', async () => {
    const before = loadOf(mesh.daemon(a))
    for (let record = 0; record < RECORDS; record += 1) {
      const id = `${record} ${'x'.repeat(ID_CHARACTERS)}`
      const data = randomBytes(100).toString('base64')
      await service.order({ do: 'say', records: [{ id, data, endpoints: [] }] })
    }
    await afterPeriod(mesh, a)
    const after = loadOf(mesh.daemon(a))
    assert.ok(
      after.logBytes - before.logBytes <= LOG_MAX_BYTES,
      `${after.logBytes - before.logBytes} bytes logged`,
    )
    const more = after.rssMegabytes - before.rssMegabytes
    assert.ok(more <= MORE_MEMORY_MAX_MB, `${Math.round(more)} MB more`)
  })

  await t.test('and nobody loses a packet', () => traffic.assertUnharmed())
})
