import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { addressPortOf, parseAddress } from '../../shared/net/address.ts'
import { PATIENCE_MS, skip } from '../e2e/story.ts'
import { parseCounters } from '../lab/wan-watch.ts'
import { Bed, Traffic } from './bed.ts'
import { Liar, nobody } from './liar.ts'

const RECORDS = 64
const ENDPOINTS = 64
/** What one node may send to one address for as long as they stand, and until its first tries are over. */
const PACKETS_PER_SECOND_MAX = 15
const PACKETS_PER_SECOND_AT_FIRST_MAX = 60
const WINDOW_SECONDS = 4
const WINDOWS = 8

test('a member that aims the races of all at somebody gets little sent there', { skip }, async () => {
  await using bed = await Bed.make('aim', { names: ['a', 'b', 'victim'], later: ['victim'] })
  const { lab, mesh, service } = bed
  const [a, b, victim] = ['a', 'b', 'victim'].map((name) => bed.host(name))
  assert.ok(a && b && victim)
  await victim.exec('nft', ['-f', '-'], {
    input: `table inet victim {
      ${[a, b].map(({ name }) => `counter from_${name} { }`).join('\n')}
      chain arriving {
        type filter hook prerouting priority -400
        ${[a, b].map(({ name, v4 }) => `meta l4proto udp ip saddr ${v4} counter name from_${name}`).join('\n')}
      }
    }`,
  })
  const received = async (): Promise<readonly number[]> => {
    const { stdout } = await victim.exec('nft', ['-j', 'list', 'counters', 'table', 'inet', 'victim'])
    const counters = parseCounters(stdout)
    return [a, b].map(({ name }) => counters.get(`from_${name}`)?.packets ?? assert.fail(stdout))
  }
  await using traffic = await Traffic.between(lab, a, b)
  const liar = new Liar(mesh.cluster)
  const target = parseAddress(victim.v4 ?? '') ?? assert.fail()
  const endpoints = Array.from({ length: ENDPOINTS }, (_, n) => addressPortOf(target, 1024 + n))
  const records = Array.from({ length: RECORDS }, () =>
    liar.seal({ ...nobody(mesh.cluster.clusterId), endpoints }),
  )
  await service.order({ do: 'take', records })
  await mesh.until(a, ({ peers }) => peers.length > RECORDS, PATIENCE_MS)
  let rates: readonly number[] = []
  for (let windows = 0; windows < WINDOWS; windows += 1) {
    const before = await received()
    await sleep(WINDOW_SECONDS * 1000)
    const after = await received()
    rates = after.map((packets, place) => Math.round((packets - (before[place] ?? 0)) / WINDOW_SECONDS))
    const words = `${rates.join(' and ')} packets/s from each node`
    if (process.env.TEST_VERBOSE) console.log(`# ${words}`)
    assert.ok(Math.max(...rates) <= PACKETS_PER_SECOND_AT_FIRST_MAX, words)
    if (Math.max(...rates) <= PACKETS_PER_SECOND_MAX) break
  }
  assert.ok(Math.max(...rates) <= PACKETS_PER_SECOND_MAX, `${rates.join(' and ')} packets/s in the end`)
  assert.ok(
    rates.some((rate) => rate > 0),
    'they try at all',
  )
  await traffic.assertUnharmed()
})
