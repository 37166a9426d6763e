import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DiscoveryClient } from '../../../../../kubespan/sources/discovery/client.ts'
import { OwnSeals, sealFile } from '../../../../../kubespan/sources/discovery/own-seals.ts'
import { encodeAffiliate, encodeEndpoint } from '../../../../../shared/affiliate/codec.ts'
import { ClusterKey, sealStamp } from '../../../../../shared/affiliate/seal.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'
import { FakeDiscovery } from '../../../../support/fake-discovery.ts'
import { ManualClock, settle } from '../../../../support/manual-clock.ts'

const key = ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
const me = (address: string) =>
  affiliateOf({ nodeId: 'me', publicKey: 'key', addresses: [address as Address], machineType: 'worker' })
const sealed = (address: string, by = key) => ({
  id: 'me',
  data: by.sealAffiliate(encodeAffiliate(me(address))),
  endpoints: [],
})

class World {
  readonly clock = new ManualClock()
  readonly service = new FakeDiscovery()

  machine(address: string, seals = new OwnSeals()): DiscoveryClient {
    const client = new DiscoveryClient({
      ...{ name: 'test', endpoint: { host: 'one', port: 443, plaintext: false }, ownId: 'me', key, seals },
      ...{ ttl: 1_800_000, dial: this.service.dial, clock: this.clock, backoff: () => 1_000 },
      ...{ onChange: () => {}, log: { info: () => {}, warn: () => {} } },
    })
    client.publish(me(address))
    client.start()
    return client
  }

  async quiet(): Promise<void> {
    for (let turn = 0; turn < 8; turn += 1) await settle()
  }

  async pass(milliseconds: number): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += 1_000) {
      await this.clock.advance(1_000)
      await this.quiet()
    }
  }
}
const seenBy = ({ status }: DiscoveryClient): readonly string[] => status.double?.affiliate.addresses ?? []

test('two machines with one node id learn of each other within seconds, and do not fight', async () => {
  const world = new World()
  await using one = world.machine('192.0.2.1')
  await world.quiet()
  await using two = world.machine('192.0.2.2')
  await world.quiet()
  assert.deepEqual(seenBy(one), ['192.0.2.2'])
  await world.pass(15_000)
  assert.deepEqual(seenBy(two), ['192.0.2.1'])
  const published = world.service.updates.length
  assert.ok(published <= 5, `${published} updates`)
  await world.pass(600_000)
  assert.equal(world.service.updates.length, published, 'then there is peace')
})

test('two that know of each other tell a third that starts again', async () => {
  const world = new World()
  await using _one = world.machine('192.0.2.1')
  await using two = world.machine('192.0.2.2')
  await world.pass(120_000)
  await two[Symbol.asyncDispose]()
  await using again = world.machine('192.0.2.2')
  await world.pass(15_000)
  assert.deepEqual(seenBy(again), ['192.0.2.1'])
})

test('a record of an earlier run that is still there is our own', async () => {
  const world = new World()
  world.service.affiliates.set('me', sealed('192.0.2.9'))
  await using one = world.machine('192.0.2.1')
  await world.pass(60_000)
  assert.deepEqual(seenBy(one), [])
})

test('a replay of what we published is our own, in this run or one before', async () => {
  const world = new World()
  const seals = new OwnSeals()
  await using before = world.machine('192.0.2.9', seals)
  await world.quiet()
  const old = world.service.affiliates.get('me')
  await before[Symbol.asyncDispose]()
  await using one = world.machine('192.0.2.1', seals)
  await world.quiet()
  const young = world.service.affiliates.get('me')
  one.publish(me('192.0.2.3'))
  await world.quiet()
  for (const record of [old, young]) if (record) world.service.push({ affiliates: [record], deleted: false })
  await world.pass(10_000)
  assert.deepEqual(seenBy(one), [])
})

test('what others add, delete or make up under our id is no other machine', async () => {
  const world = new World()
  await using one = world.machine('192.0.2.1')
  await world.quiet()
  const own = world.service.affiliates.get('me')
  assert.ok(own)
  const foreignKey = ClusterKey.fromSecret(randomBytes(32).toString('base64')) as ClusterKey
  const stranger = key.sealAffiliate(encodeAffiliate({ ...me('192.0.2.7'), nodeId: 'stranger' }))
  const endpoint = key.sealEndpoint(encodeEndpoint('192.0.2.8:1' as AddressPort))
  for (const affiliate of [
    { ...own, endpoints: [endpoint] },
    { ...own, data: new Uint8Array() },
    { ...own, data: randomBytes(100) },
    { ...own, data: stranger },
    sealed('192.0.2.7', foreignKey),
  ])
    world.service.push({ affiliates: [affiliate], deleted: false })
  world.service.push({ affiliates: [own], deleted: true })
  await world.pass(10_000)
  assert.deepEqual(seenBy(one), [])
})

test('a service that comes back with something else has its snapshot from another time', async () => {
  const world = new World()
  await using one = world.machine('192.0.2.1')
  await world.quiet()
  world.service.endWatches()
  world.service.affiliates.set('me', sealed('192.0.2.9'))
  await world.pass(60_000)
  assert.ok(one.status.connected)
  assert.deepEqual(seenBy(one), [])
})

test('our own renewals and changes are our own', async () => {
  const world = new World()
  await using one = world.machine('192.0.2.1')
  for (let turn = 0; turn < 100; turn += 1) {
    one.publish(me(`192.0.2.${turn}`))
    one.renew()
    await world.quiet()
  }
  await world.pass(2_000_000)
  assert.deepEqual(seenBy(one), [])
})

test('who has left does not answer', async () => {
  const world = new World()
  await using one = world.machine('192.0.2.1')
  await world.quiet()
  const leaving = one.leave()
  await world.pass(3_000)
  await leaving
  const before = world.service.updates.length
  world.service.push({ affiliates: [sealed('192.0.2.2')], deleted: false })
  await world.pass(10_000)
  assert.equal(world.service.updates.length, before)
  assert.equal(world.service.affiliates.has('me'), false)
})

test('seals are remembered across runs, the latest 64, and a directory that cannot be written costs a warning', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-seals-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'own-records.json')
  const seals = new OwnSeals()
  await seals.resume(sealFile(path))
  for (let count = 0; count < 70; count += 1)
    await seals.add(sealStamp(Uint8Array.of(count, ...new Uint8Array(11))))
  const again = new OwnSeals()
  await again.resume(sealFile(path))
  assert.equal(again.has(sealStamp(Uint8Array.of(69, ...new Uint8Array(11)))), true)
  assert.equal(again.has(sealStamp(Uint8Array.of(0, ...new Uint8Array(11)))), false)

  writeFileSync(path, '{"format":"openspan seals 1","stamps":7}')
  assert.deepEqual(await sealFile(path).load(), { stamps: [], sealedAt: 0 })
  const warnings: string[] = []
  const full = new OwnSeals((problem) => warnings.push(problem))
  await full.resume({
    load: async () => ({ stamps: [], sealedAt: 0 }),
    save: () => Promise.reject(new Error('ENOSPC')),
  })
  await full.add('a')
  assert.match(warnings.join(), /own: ENOSPC/)
  assert.ok(full.has('a'))
})
