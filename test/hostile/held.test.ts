import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parsePrefix } from '../../shared/net/address.ts'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { Bed, Traffic } from './bed.ts'
import { HOSTILE_PORT } from './hostile-service.ts'
import { Liar, nobody, someNodeId } from './liar.ts'
import type { Answer, Behaviour, Order } from './orders.ts'

/** How long each of it lasts: longer than any grace time of the daemons here. */
const LASTS_MS = 2_500
const base64 = (length: number): string => randomBytes(length).toString('base64')

const ANSWERS: readonly Answer[] = [
  'never',
  'one byte at a time',
  'by half',
  'with junk',
  'with farewells',
  'with many trailers',
]

const REPEATED: Readonly<Record<string, Order & { readonly do: 'repeat' }>> = {
  'all deleted and there again, ten times a second': {
    do: 'repeat',
    orders: [{ do: 'say deleted' }, { do: 'say present' }],
    everyMilliseconds: 50,
  },
  'endpoints of one node told of another, five times a second': {
    do: 'repeat',
    orders: [{ do: 'say swapped' }, { do: 'say present' }],
    everyMilliseconds: 200,
  },
  'messages that are none': {
    do: 'repeat',
    orders: [{ do: 'say bytes', bytes: base64(200) }],
    everyMilliseconds: 20,
  },
}

test('live tunnels do not depend on a service', { skip }, async (t) => {
  await using bed = await Bed.make('held')
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  const liar = new Liar(mesh.cluster)

  /** Traffic while it lasts, and all as it was afterwards. */
  const endures = async (behaviour: Behaviour, ...orders: readonly Order[]): Promise<void> => {
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await service.behave(behaviour)
    for (const order of orders) await service.order(order)
    await sleep(LASTS_MS)
    await service.order({ do: 'stop repeating' })
    await service.behave({})
    await service.order({ do: 'end connections' })
    await traffic.assertUnharmed()
    await mesh.until(
      a,
      ({ services, affiliates }) =>
        services[0]?.connected === true &&
        affiliates.filter(({ unconfirmedUntil }) => unconfirmedUntil === undefined).length ===
          lab.hosts.length,
      PATIENCE_MS,
    )
  }

  for (const answer of ANSWERS)
    await t.test(`that answers ${typeof answer === 'string' ? answer : answer.text}`, () =>
      endures({ hello: answer, update: answer, watch: answer }, { do: 'end watches' }),
    )

  for (const [name, order] of Object.entries(REPEATED)) await t.test(name, () => endures({}, order))

  await t.test('that sends everybody to itself', () =>
    endures({ redirect: `${INTERNET_V4}:${HOSTILE_PORT}` }, { do: 'end watches' }),
  )

  await t.test('records of members under a thousand other ids', async () => {
    const [known] = (await service.look()).records
    const records = Array.from({ length: 1_024 }, () => ({
      id: someNodeId(),
      data: known?.data ?? '',
      endpoints: Array.from({ length: 64 }, () => base64(32)),
    }))
    await endures({}, { do: 'say', records })
  })

  await t.test('20,000 endpoints that nobody has', async () => {
    const { records } = await service.look()
    const junk = Array.from({ length: 20_000 }, () => base64(32))
    await endures(
      {},
      {
        do: 'say',
        records: records.map((record) => ({ ...record, endpoints: [...record.endpoints, ...junk] })),
      },
    )
  })

  await t.test('a member with 10,000 networks', async () => {
    const additionalAddresses = Array.from(
      { length: 10_000 },
      (_, n) => parsePrefix(`10.${100 + (n >> 8)}.${n & 255}.0/24`) ?? assert.fail(),
    )
    const record = liar.seal({ ...nobody(mesh.cluster.clusterId), additionalAddresses })
    await endures({}, { do: 'take', records: [record] }, { do: 'delete', ids: [record.id] })
  })

  await t.test('a member that claims everything', async () => {
    const additionalAddresses = ['0.0.0.0/0', '::/0'].map((text) => parsePrefix(text) ?? assert.fail())
    const record = liar.seal({ ...nobody(mesh.cluster.clusterId), additionalAddresses })
    await service.order({ do: 'take', records: [record] })
    await afterPeriod(mesh, a)
    await endures({}, { do: 'delete', ids: [record.id] })
  })

  await t.test('a member whose name has escapes, newlines and HTML', async () => {
    const hostname = '\u001b[2J\u001b]0;mine\u0007\n<script>alert(1)</script>\u202e'
    const record = liar.seal({ ...nobody(mesh.cluster.clusterId), hostname, nodename: hostname })
    await service.order({ do: 'take', records: [record] })
    await mesh.until(
      a,
      ({ affiliates }) => affiliates.some(({ nodeId }) => nodeId === record.id),
      PATIENCE_MS,
    )
    for (const command of [['status'], ['peers'], ['get', 'affiliates'], ['doctor']]) {
      const { stdout, stderr } = await mesh.kubespan(a, command, { check: false })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for these
      assert.doesNotMatch(stdout + stderr, /[\u0000-\u0009\u000b-\u001f\u007f\u202e]/, command.join(' '))
    }
    await endures({}, { do: 'delete', ids: [record.id] })
  })
})
