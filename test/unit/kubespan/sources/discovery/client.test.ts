import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DiscoveryClient } from '../../../../../kubespan/sources/discovery/client.ts'
import type { DiscoveryClientOptions } from '../../../../../kubespan/sources/discovery/client-options.ts'
import { OwnSeals } from '../../../../../kubespan/sources/discovery/own-seals.ts'
import { UnfitAnswer } from '../../../../../kubespan/sources/discovery/watch-decoder.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import {
  AFFILIATE_PLAINTEXT_MAX_BYTES,
  encodeAffiliate,
  encodeEndpoint,
} from '../../../../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../../../../shared/affiliate/seal.ts'
import { type AddressPort, parseAddress, parseAddressPort } from '../../../../../shared/net/address.ts'
import { FakeDiscovery } from '../../../../support/fake-discovery.ts'
import { ManualClock, settle } from '../../../../support/manual-clock.ts'

const secret = randomBytes(32).toString('base64')
const key = ClusterKey.fromSecret(secret) as ClusterKey
const endpointOf = (text: string): AddressPort => parseAddressPort(text) as AddressPort

const node = (nodeId: string, change: Partial<Affiliate> = {}): Affiliate => ({
  nodeId,
  addresses: [],
  hostname: nodeId,
  nodename: nodeId,
  operatingSystem: 'Debian',
  machineType: 'worker',
  controlPlane: undefined,
  ...change,
  kubespan: {
    publicKey: `key of ${nodeId}`,
    address: undefined,
    additionalAddresses: [],
    excludeAdvertisedNetworks: [],
    endpoints: [endpointOf('192.0.2.1:51820')],
    ...change.kubespan,
  },
})

const nodeAt = (nodeId: string, endpoints: readonly AddressPort[]): Affiliate =>
  node(nodeId, { kubespan: { ...node(nodeId).kubespan, endpoints } })

/** A client on a fake service and a manual clock; `quiet` lets everything that is ready run. */
function world(change: Partial<DiscoveryClientOptions> = {}) {
  const clock = new ManualClock()
  const service = new FakeDiscovery()
  const warnings: object[] = []
  const pauses: number[] = []
  const client = new DiscoveryClient({
    name: 'test',
    endpoint: { host: 'one', port: 443, plaintext: false },
    ownId: 'me',
    key,
    ttl: 1_800_000,
    dial: service.dial,
    clock,
    backoff: (failures) => {
      pauses.push(failures)
      return 1000
    },
    onChange: () => {},
    log: { info: () => {}, warn: (fields) => warnings.push(fields) },
    ...change,
  })
  const quiet = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn++) await settle()
  }
  return { clock, service, client, warnings, pauses, quiet }
}

const sealed = (affiliate: Affiliate) => ({
  id: affiliate.nodeId,
  data: key.sealAffiliate(encodeAffiliate(affiliate)),
  endpoints: affiliate.kubespan.endpoints.map((endpoint) => key.sealEndpoint(encodeEndpoint(endpoint))),
})

test('two clients find each other, and a third learns both from the snapshot', async () => {
  const { service, client, quiet, clock } = world()
  await using one = client
  await using two = world({ ownId: 'two', dial: service.dial, clock }).client
  one.publish(node('me'))
  two.publish(node('two'))
  one.start()
  two.start()
  await quiet()
  assert.deepEqual([...one.table.affiliates.keys()], ['two'])
  const { sealedAt, ...affiliate } = two.table.affiliates.get('me')?.affiliate ?? node('nobody')
  assert.deepEqual([affiliate, sealedAt], [node('me'), clock.wall()])
  await using late = world({ ownId: 'late', dial: service.dial, clock }).client
  late.start()
  await quiet()
  assert.deepEqual([...late.table.affiliates.keys()].sort(), ['me', 'two'])
  assert.equal(late.status.connected, true)
})

test('Hello tells our address, one per family', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.start()
  await quiet()
  service.clientIp = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 7])
  service.endWatches()
  await quiet()
  await clock.advance(1000)
  await quiet()
  assert.deepEqual(client.status.publicAddresses, [parseAddress('192.0.2.7'), parseAddress('2001:db8::7')])
})

test('an IPv4 address that a service tells as an IPv6 one is an IPv4 address', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  service.clientIp = Uint8Array.from([...new Uint8Array(10), 0xff, 0xff, 203, 0, 113, 7])
  client.start()
  await quiet()
  assert.deepEqual(client.status.publicAddresses, ['203.0.113.7'])
})

test('what another place told of our address is forgotten once we are served elsewhere', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.start()
  await quiet()
  assert.deepEqual(client.status.publicAddresses, ['192.0.2.7'])
  service.redirect = ({ host }) => (host === 'one' ? 'two:3000' : undefined)
  service.clientIp = Uint8Array.from([0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 7])
  service.endWatches()
  await quiet()
  await clock.advance(1000)
  await quiet()
  assert.deepEqual(client.status.publicAddresses, ['2001:db8::7'])
})

for (const [what, clientIp] of [
  ['nothing', []],
  ['a zone of 240 bytes', [...new Array(16).fill(0x20), ...new Array(240).fill(0x61)]],
  ['the broadcast address', [255, 255, 255, 255]],
] as const)
  test(`a service that tells ${what} for our address is of no use for that, and does no harm`, async () => {
    const { service, client, quiet } = world()
    await using _ = client
    service.clientIp = Uint8Array.from(clientIp)
    client.publish(node('me'))
    client.start()
    await quiet()
    assert.deepEqual(client.status.publicAddresses, [])
    assert.equal(service.affiliates.has('me'), true)
  })

test('an endpoint that cannot be published is left out of our record, and said', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  const zoned = `[fe80::1%${'a'.repeat(240)}]:51820` as AddressPort
  client.publish(nodeAt('me', [endpointOf('192.0.2.1:51820'), zoned]))
  client.publishOthers(new Map([['two', [zoned]]]))
  client.start()
  await quiet()
  assert.deepEqual(
    service.updates.map(({ affiliateId, endpoints }) => [affiliateId, endpoints.length]),
    [['me', 1]],
  )
  assert.equal(client.status.connected, true)
  assert.equal(client.status.isUnpublished, false)
  assert.match(client.status.problem ?? '', /no room for it: endpoint \[fe80/)
})

test('equal data is not sent twice, and is refreshed with the same ciphertext at half the TTL', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  client.publish(node('me'))
  await quiet()
  assert.equal(service.updates.length, 1)
  await clock.advance(900_000)
  await quiet()
  assert.equal(service.updates.length, 2)
  assert.deepEqual(service.updates[1]?.data, service.updates[0]?.data)
  client.publish(node('me', { hostname: 'renamed' }))
  await quiet()
  assert.equal(service.updates.length, 3)
})

test('a service that fails is asked again with growing pauses, from Hello on, and a success forgets them', async () => {
  const { service, client, quiet, clock, pauses } = world()
  await using _ = client
  client.publish(node('me'))
  service.fault = new Error('connection refused')
  client.start()
  await quiet()
  await clock.advance(1000)
  await quiet()
  assert.deepEqual(pauses, [1, 2])
  assert.equal(client.status.problem, 'connection refused')
  service.fault = undefined
  await clock.advance(1000)
  await quiet()
  assert.equal(client.status.connected, true)
  assert.equal(client.status.problem, undefined)
  await clock.advance(5_000)
  service.endWatches()
  await quiet()
  assert.deepEqual(pauses, [1, 2, 1])
})

test('a service that ends each watch as soon as it has begun is asked with growing pauses', async () => {
  const { service, client, quiet, clock, pauses } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  for (let turn = 0; turn < 4; turn += 1) {
    await quiet()
    service.endWatches()
    await quiet()
    await clock.advance(1000)
  }
  assert.deepEqual(pauses, [1, 2, 3, 4])
})

test('what was learned outlives the connection', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  service.affiliates.set('two', sealed(node('two')))
  client.start()
  await quiet()
  service.fault = new Error('gone')
  service.endWatches()
  await quiet()
  assert.equal(client.status.connected, false)
  assert.deepEqual([...client.table.affiliates.keys()], ['two'])
})

test('a Hello that hangs is given up', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  service.hangs = true
  client.start()
  await quiet()
  await clock.advance(10_000)
  await quiet()
  assert.match(client.status.problem ?? '', /Hello took longer than 10 s/)
})

test('a service that takes calls and never answers the watch is told of after 30 s, until it does', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  service.hasNoWatch = true
  service.isHoldingBack = true
  client.publish(node('me'))
  client.start()
  await quiet()
  await clock.advance(29_999)
  assert.equal(client.status.problem, 'not connected yet')
  await clock.advance(1)
  assert.equal(client.status.problem, 'it has not answered the watch for 30 s')
  await clock.advance(600_000)
  await quiet()
  assert.deepEqual([service.hellos, service.updates.length], [1, 1], 'it is waited for, in quiet')
  service.letGo()
  await quiet()
  assert.deepEqual([client.status.connected, client.status.problem], [true, undefined])
})

test('a service that sends what nobody may is asked again after growing pauses, although it takes our record', async () => {
  const { service, client, quiet, clock, pauses } = world()
  await using _ = client
  service.watchFault = new UnfitAnswer('the service tells of more than 1024 nodes at once')
  client.publish(node('me'))
  client.start()
  for (let turn = 0; turn < 10; turn += 1) {
    await quiet()
    await clock.advance(1000)
  }
  assert.deepEqual(pauses, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.match(client.status.problem ?? '', /more than 1024 nodes/)
  service.watchFault = undefined
  await quiet()
  await clock.advance(1000)
  await quiet()
  assert.equal(client.status.problem, undefined)
})

test('what a service says of why it fails is clipped, and no terminal obeys it', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  service.fault = new Error(`\u001b[2J${'x'.repeat(100_000)}`)
  client.start()
  await quiet()
  assert.match(client.status.problem ?? '', /^\\u001b\[2Jx{100,240}…$/)
})

test('a service that goes on saying something else causes ten passes a second at most', async () => {
  let passes = 0
  const { service, client, quiet, clock } = world({ onChange: () => (passes += 1) })
  await using _ = client
  client.start()
  await quiet()
  await clock.advance(1_000)
  passes = 0
  for (let turn = 0; turn < 500; turn += 1) {
    service.push({ affiliates: [sealed(node('two', { hostname: `${turn}` }))], deleted: false })
    await clock.advance(10)
  }
  await quiet()
  assert.ok(passes <= 31, `${passes} in 5 s`)
  await clock.advance(1_000)
  await quiet()
  assert.equal(client.table.affiliates.get('two')?.affiliate.hostname, '499')
})

test('a redirect is followed with a Hello to the new place', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  service.redirect = ({ host }) => (host === 'one' ? 'two:3000' : undefined)
  client.start()
  await quiet()
  assert.deepEqual(
    service.dialled.map(({ host }) => host),
    ['one', 'two'],
  )
  assert.equal(client.status.endpoint, 'two:3000')
  assert.equal(client.status.isRedirected, true)
})

for (const [what, answer, problem] of [
  ['a circle of redirects', 'one:443', /in a circle/],
  ['a redirect to nonsense', 'https://two/', /not host:port/],
] as const)
  test(`${what} ends in a pause`, async () => {
    const { service, client, quiet, pauses } = world()
    await using _ = client
    service.redirect = () => answer
    client.start()
    await quiet()
    await quiet()
    assert.deepEqual(pauses, [1])
    assert.match(client.status.problem ?? '', problem)
  })

test('our record is published again at once when somebody deletes it', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  await clock.advance(1_000)
  service.remove('me')
  await quiet()
  assert.equal(service.updates.length, 2)
  assert.equal(service.affiliates.has('me'), true)
  await clock.advance(1_000_000)
  assert.ok(service.updates.length <= 4, 'then there is peace')
})

test('who deletes our record without pause makes us publish twice a second and no oftener, and is told of', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  await clock.advance(1_000)
  for (let turn = 0; turn < 50; turn += 1) {
    service.remove('me')
    await quiet()
    await clock.advance(100)
  }
  const during = service.updates.length
  assert.ok(during >= 10 && during <= 12, `${during} updates`)
  assert.match(client.status.problem ?? '', /somebody else deletes our record there/)
  await clock.advance(500)
  await quiet()
  assert.equal(service.affiliates.has('me'), true)
  await clock.advance(70_000)
  await quiet()
  assert.equal(client.status.problem, undefined)
})

test('a deletion that nobody tells is made good after 1, 2, 4 … 30 s until the watch shows our record', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  service.losesUpdates = true
  client.publish(node('me'))
  client.start()
  await quiet()
  const times: number[] = []
  let count = service.updates.length
  for (let second = 1; second <= 125; second += 1) {
    await clock.advance(1_000)
    await quiet()
    if (service.updates.length > count) times.push(second)
    count = service.updates.length
  }
  assert.deepEqual(times, [1, 3, 7, 15, 31, 61, 91, 121])
  assert.equal(client.status.isUnpublished, true)
  assert.match(client.status.problem ?? '', /does not show our record, which it has taken/)
  service.losesUpdates = false
  await clock.advance(30_000)
  await quiet()
  assert.deepEqual([client.status.isUnpublished, client.status.problem], [false, undefined])
  count = service.updates.length
  await clock.advance(800_000)
  assert.equal(service.updates.length, count, 'then there is peace')
})

test('an older record of ours that somebody puts in the place of ours does not stay', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  const old = service.affiliates.get('me')
  client.publish(node('me', { hostname: 'renamed' }))
  await quiet()
  const count = service.updates.length
  assert.ok(old)
  service.push({ affiliates: [old], deleted: false })
  await clock.advance(500)
  await quiet()
  assert.equal(service.updates.length, count + 1)
  await clock.advance(100_000)
  assert.equal(service.updates.length, count + 1)
})

test('a service that shows what it has taken with a delay is not told twice', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  service.isHoldingBack = true
  client.publish(node('me', { hostname: 'renamed' }))
  await quiet()
  await clock.advance(400)
  service.letGo()
  await quiet()
  await clock.advance(100_000)
  assert.equal(service.updates.length, 2)
})

test('two connections to one service under two names do not take each other for strangers', async () => {
  const seals = new OwnSeals()
  const { service, client, quiet, clock } = world({ seals })
  await using one = client
  await using two = world({ seals, dial: service.dial, clock }).client
  for (const each of [one, two]) {
    each.publish(node('me'))
    each.start()
  }
  await quiet()
  await clock.advance(60_000)
  await quiet()
  for (const each of [one, two]) each.publish(node('me', { hostname: 'renamed' }))
  await quiet()
  await clock.advance(60_000)
  await quiet()
  assert.equal(service.updates.length, 4)
})

test('a redial begins anew at once, whether connected or in a pause, and forgets nothing', async () => {
  const { service, client, quiet, pauses } = world()
  await using _ = client
  service.affiliates.set('two', sealed(node('two')))
  client.start()
  await quiet()
  client.redial()
  await quiet()
  assert.equal(service.hellos, 2)
  assert.deepEqual(pauses, [], 'no pause')
  assert.equal(client.status.connected, true)
  assert.deepEqual([...client.table.affiliates.keys()], ['two'])
  service.fault = new Error('network unreachable')
  client.redial()
  await quiet()
  assert.deepEqual(pauses, [1])
  service.fault = undefined
  client.redial()
  await quiet()
  assert.equal(client.status.connected, true)
  assert.equal(service.watchers, 1)
})

test('a check that is answered changes nothing, even if the answer is a refusal', async () => {
  const { service, client, quiet, pauses, clock } = world()
  await using _ = client
  client.start()
  await quiet()
  client.check()
  client.check()
  await quiet()
  assert.equal(service.hellos, 2)
  service.refusesHello = true
  await clock.advance(10_000)
  client.check()
  await quiet()
  assert.equal(service.hellos, 3)
  assert.deepEqual([client.status.connected, pauses], [true, []])
  client.check()
  await quiet()
  assert.equal(service.hellos, 3, 'not again within 10 s')
})

test('a check that is not answered within 3 s begins anew, and learns the address that we have by now', async () => {
  const { service, client, quiet, pauses, clock } = world()
  await using _ = client
  client.start()
  await quiet()
  service.hangs = true
  client.check()
  await quiet()
  await clock.advance(2_999)
  assert.equal(client.status.connected, true)
  service.hangs = false
  service.clientIp = Uint8Array.of(203, 0, 113, 9)
  await clock.advance(1)
  await quiet()
  assert.deepEqual(pauses, [1])
  await clock.advance(1000)
  await quiet()
  assert.equal(client.status.connected, true)
  assert.deepEqual(client.status.publicAddresses, ['203.0.113.9'])
})

test('a check that was asked for while nothing was connected is not made up for', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  client.check()
  client.start()
  await quiet()
  assert.equal(service.hellos, 1)
})

test('leaving removes our record and keeps it out', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.start()
  await quiet()
  await using other = world({ ownId: 'other', dial: service.dial, clock }).client
  other.start()
  await quiet()
  const leaving = client.leave()
  await quiet()
  assert.equal(other.table.affiliates.get('me')?.affiliate.kubespan.publicKey, '', 'its last word')
  await clock.advance(249)
  await quiet()
  assert.equal(service.affiliates.has('me'), true, 'so that everybody hears it')
  await clock.advance(1)
  await leaving
  assert.equal(other.table.departures.get('me')?.farewell?.nodeId, 'me')
  assert.equal(service.affiliates.has('me'), false)
  await clock.advance(900_000)
  await quiet()
  assert.equal(service.affiliates.has('me'), false)
})

test('data that is too big is not sent, and said (C5)', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  client.publish(node('me', { hostname: 'x'.repeat(AFFILIATE_PLAINTEXT_MAX_BYTES) }))
  client.start()
  await quiet()
  assert.equal(service.updates.length, 0)
  assert.match(client.status.problem ?? '', /the protocol takes 2020/)
  assert.equal(client.status.connected, true, 'we still listen')
  assert.equal(client.status.isUnpublished, true)
  client.publish(node('me'))
  await quiet()
  assert.equal(client.status.isUnpublished, false)
  assert.equal(client.status.problem, undefined)
})

test('a service that still keeps endpoints from before gets as many of ours as it has room for, and the rest later', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  const endpoints = Array.from({ length: 40 }, (_, index) => endpointOf(`192.0.2.${index}:51820`))
  service.room = 13
  client.publish(nodeAt('me', endpoints))
  client.start()
  await quiet()
  assert.deepEqual(
    service.updates.map((update) => update.endpoints.length),
    [10],
  )
  assert.equal(client.status.isUnpublished, false)
  assert.match(client.status.problem ?? '', /takes 10 of our 40 endpoints/)
  service.room = 64
  await clock.advance(300_000)
  await quiet()
  assert.equal(service.updates.at(-1)?.endpoints.length, 40)
  assert.equal(client.status.problem, undefined)
})

test('where others have taken all the room, our record is published without an endpoint', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  service.room = 0
  client.publish(nodeAt('me', [endpointOf('192.0.2.1:51820')]))
  client.start()
  await quiet()
  assert.ok(service.affiliates.has('me'))
  assert.match(client.status.problem ?? '', /takes 0 of our 1 endpoints/)
})

test('a refused record does not cost the watch (C6)', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  service.refuses = { id: 'me', retryable: true }
  client.publish(node('me'))
  client.start()
  await quiet()
  assert.equal(client.status.connected, true)
  assert.match(client.status.problem ?? '', /too many affiliates/)
  service.refuses = undefined
  await clock.advance(1000)
  await quiet()
  assert.equal(service.affiliates.has('me'), true)
  assert.equal(service.hellos, 1)
})

test('harvested endpoints are published for others; a refusal of one touches nobody else', async () => {
  const { service, client, quiet } = world()
  await using _ = client
  client.publish(node('me'))
  service.refuses = { id: 'two', retryable: false }
  const seen = new Map(['two', 'three', 'me'].map((id) => [id, [endpointOf('198.51.100.1:4000')]]))
  client.publishOthers(seen)
  client.start()
  await quiet()
  assert.deepEqual(
    service.updates.map(({ affiliateId, data }) => [affiliateId, data !== undefined]),
    [
      ['me', true],
      ['three', false],
    ],
  )
  client.publishOthers(new Map(seen))
  await quiet()
  assert.equal(service.updates.length, 2, 'equal endpoints are not sent twice')

  client.publishOthers(new Map([...seen, ['four', [endpointOf('198.51.100.4:4000')]]]))
  await quiet()
  const told = service.updates.slice(2).map(({ affiliateId }) => affiliateId)
  assert.deepEqual(told, ['me', 'four'], 'who was told of is not told of again')
})

test('harvested endpoints are told again before they expire, and to a service that begins anew', async () => {
  const { service, client, quiet, clock } = world()
  await using _ = client
  client.publish(node('me'))
  client.publishOthers(new Map([['two', [endpointOf('198.51.100.1:4000')]]]))
  client.start()
  await quiet()
  const times = (): number => service.updates.filter(({ affiliateId }) => affiliateId === 'two').length
  assert.equal(times(), 1)
  await clock.advance(900_000)
  await quiet()
  assert.equal(times(), 2)
  service.endWatches()
  await quiet()
  await clock.advance(1000)
  await quiet()
  assert.equal(times(), 3)
})

test('disposal ends everything and leaves no timer', async () => {
  const { service, client, quiet, clock } = world()
  client.publish(node('me'))
  client.start()
  await quiet()
  await client[Symbol.asyncDispose]()
  await quiet()
  assert.equal(clock.armed, 0)
  assert.equal(service.watchers, 0)
})
