import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { freePort } from '../support/free-port.ts'
import { RedisServer } from '../support/store/redis-server.ts'
import { Replica, ReplicaWorld } from '../support/store/replicas.ts'

/** Several services on one Redis, without stickiness: whatever goes in through one comes out of all. */

const UNAVAILABLE = 14
const PASSWORD = 'not-to-be-seen-anywhere'
/** As docs/operators.md says. */
const RIGHTS = ['+@read', '+@write', '+@scripting', '+@pubsub', '+@connection', '+info', '+time']

test('an update through one replica reaches the watchers of all, and so does a deletion', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watchA = a.watch('c')
  using watchB = b.watch('c')
  await a.put('c', 'one', 'x', 'e')
  await b.put('c', 'two')
  await Promise.all([watchA, watchB].map((watch) => watch.until(() => watch.ids() === 'one,two')))
  assert.deepEqual(watchA.lines(), watchB.lines())
  await a.client.delete('c', 'two')
  await Promise.all([watchA, watchB].map((watch) => watch.until(() => watch.ids() === 'one')))
  const list = await b.client.list('c')
  assert.deepEqual(
    list.map(({ id }) => id),
    ['one'],
  )
})

test('what was answered is seen by whoever comes next, through any replica', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using _held = b.watch('c')
  for (let index = 0; index < 20; index += 1) {
    await a.put('c', `n${index}`)
    using watch = b.watch('c')
    await watch.until(({ messages }) => messages > 0)
    assert.equal(watch.view.size, index + 1)
    assert.equal((await b.client.list('c')).length, index + 1)
  }
})

test('what expires is told by all replicas, once', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watchA = a.watch('c')
  using watchB = b.watch('c')
  await Promise.all([watchA, watchB].map((watch) => watch.until(({ messages }) => messages > 0)))
  await a.put('c', 'lives')
  await a.putFor(2, 'c', 'ends')
  await Promise.all([watchA, watchB].map((watch) => watch.until(() => watch.ids() === 'ends,lives')))
  await Promise.all([watchA, watchB].map((watch) => watch.until(() => watch.ids() === 'lives')))
  for (const { deleted } of [watchA, watchB]) assert.deepEqual(deleted, ['ends'])
})

test('a replica whose clock is off by ten minutes ends nothing early and nothing late', async () => {
  const ahead: Clock = {
    now: () => systemClock.now() + 600_000,
    wall: () => systemClock.wall() + 600_000,
    after: systemClock.after,
  }
  await using world = await ReplicaWorld.start(1)
  const [a, b] = [world.at(0), await world.add([], ahead)]
  using watch = a.watch('c')
  await watch.until(({ messages }) => messages > 0)
  await a.putFor(300, 'c', 'lives')
  await b.putFor(2, 'c', 'ends')
  await watch.until(() => watch.ids() === 'ends,lives')
  await watch.until(() => watch.ids() === 'lives')
  assert.deepEqual(watch.deleted, ['ends'])
})

test('an identical refresh is one round trip, no entry of the stream, and no message', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watchA = a.watch('c')
  using watchB = b.watch('c')
  await a.put('c', 'one', 'x', 'e')
  for (const watch of [watchA, watchB]) await watch.until(() => watch.ids() === 'one')
  const messages = [watchA.messages, watchB.messages]
  await world.redis.ask('CONFIG', 'RESETSTAT')
  for (let index = 0; index < 50; index += 1) await a.put('c', 'one', 'x', 'e')
  const stats = await world.redis.ask('INFO', 'commandstats')
  const calls = (command: string): number =>
    Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  const turns = calls('hset') - calls('zadd') // of sweepers, which go on meanwhile and find nothing due
  assert.deepEqual(
    {
      refreshes: calls('evalsha') - turns,
      written: calls('zadd'),
      entries: calls('xadd'),
      told: calls('publish'),
    },
    { refreshes: 50, written: 50, entries: 0, told: 0 },
  )
  assert.deepEqual([watchA.messages, watchB.messages], messages)
})

test('limits hold across replicas', async () => {
  await using world = await ReplicaWorld.start(0)
  const flags = ['-max-clusters-per-address=2', '-max-affiliates-per-address=3']
  const [a, b] = [await world.add(flags), await world.add(flags)]
  await a.put('c1', 'one')
  await b.put('c2', 'one')
  await assert.rejects(b.put('c3', 'one'), /too many clusters from one address/)
  await b.put('c1', 'two')
  await a.client.delete('c2', 'one')
  await b.put('c3', 'one')
  const endpoints = (from: number): string[] => Array.from({ length: 40 }, (_, index) => `e${from + index}`)
  await a.put('c1', 'one', 'x', ...endpoints(0))
  await b.put('c1', 'one', 'x', ...endpoints(40))
  const one = (await a.client.list('c1')).find(({ id }) => id === 'one')
  assert.equal(one?.endpoints.length, 64)
  assert.deepEqual(one.endpoints.slice(-40).map(String), endpoints(40), 'the newest of its owner')
  await a.put('c1', 'three')
  await assert.rejects(b.put('c1', 'four'), /too many affiliates of the cluster from one address/)
})

test('while Redis is away watchers keep what they have, and nothing is made up', async () => {
  await using world = await ReplicaWorld.start(1)
  const a = world.at(0)
  await a.put('other', 'one')
  using watch = a.watch('c')
  await watch.until(({ messages }) => messages > 0)
  await a.put('c', 'one')
  await a.putFor(3, 'c', 'short')
  await watch.until(() => watch.ids() === 'one,short')
  await world.redis.stop()
  await until(async () => isUnavailable(a.put('c', 'two')))
  const startedAt = performance.now()
  assert.ok(await isUnavailable(a.put('c', 'two')))
  assert.ok(await isUnavailable(a.client.delete('c', 'one')))
  assert.ok(performance.now() - startedAt < 1000, 'at once')
  await pause(4000)
  using late = a.watch('c')
  await late.until(({ messages }) => messages > 0)
  assert.equal(late.ids(), 'one,short', 'nothing expires meanwhile')
  using unknown = a.watch('other')
  await unknown.until(({ ended }) => ended !== undefined)
  assert.deepEqual([unknown.ended, unknown.messages], [UNAVAILABLE, 0])
  assert.deepEqual([watch.ended, watch.deleted], [undefined, []])
})

test('a Redis that comes back empty is given back what replicas hold, before anybody reads it', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watchA = a.watch('c')
  using watchB = b.watch('d')
  for (let index = 0; index < 100; index += 1) {
    await a.put('c', `c${index}`, 'x', 'e')
    await b.put('d', `d${index}`, 'x', 'e')
  }
  await watchA.until(({ view }) => view.size === 100)
  await watchB.until(({ view }) => view.size === 100)
  await world.redis.stop()
  await world.redis.start()
  const fresh = await world.add()
  for (const [cluster, watch] of [
    ['c', watchA],
    ['d', watchB],
  ] as const) {
    using other = fresh.watch(cluster)
    await other.until(({ messages }) => messages > 0)
    assert.deepEqual(other.lines(), watch.lines())
    assert.deepEqual([watch.ended, watch.deleted], [undefined, []])
  }
  await fresh.put('c', 'new')
  await watchA.until(({ view }) => view.has('new'))
})

test('a Redis that comes back behind is given back what it lost', async () => {
  await using world = await ReplicaWorld.start(1, ['--appendonly', 'no'])
  const a = world.at(0)
  using watch = a.watch('c')
  await a.put('c', 'one')
  await a.put('c', 'gone')
  await world.redis.ask('SAVE')
  await a.put('c', 'two')
  await a.put('c', 'one', 'y')
  await a.client.delete('c', 'gone')
  await watch.until(() => watch.ids() === 'one,two' && watch.lines()[0] === 'one=y[]')
  await world.redis.stop()
  await world.redis.start()
  await until(async () => !(await isUnavailable(a.put('d', 'any'))))
  await until(async () => (await a.client.list('c')).length >= 2)
  const fresh = await world.add()
  using other = fresh.watch('c')
  await other.until(({ messages }) => messages > 0)
  assert.ok(other.view.has('two'))
  assert.equal(other.view.get('one'), 'one=y[]')
  assert.ok(!watch.deleted.includes('one') && !watch.deleted.includes('two'))
})

test('after Redis was restarted nothing expires, because it may not know the last refreshes', async () => {
  await using world = await ReplicaWorld.start(1)
  const a = world.at(0)
  using watch = a.watch('c')
  await watch.until(({ messages }) => messages > 0)
  await a.putFor(2, 'c', 'one')
  await watch.until(() => watch.ids() === 'one')
  await world.redis.ask('SAVE')
  await world.redis.stop()
  await world.redis.start()
  await until(async () => !(await isUnavailable(a.put('c', 'two'))))
  await pause(4000)
  assert.deepEqual([watch.ids(), watch.deleted], ['one,two', []])
})

test('what a replica missed while its channel was cut it reads exactly', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watch = b.watch('c')
  await a.put('c', 'stays')
  await a.put('c', 'goes')
  await watch.until(() => watch.ids() === 'goes,stays')
  for (let round = 0; round < 5; round += 1) {
    await world.redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await until(async () => !(await isUnavailable(a.put('c', `new${round}`))))
    await watch.until(({ view }) => view.has(`new${round}`))
  }
  await a.client.delete('c', 'goes')
  await watch.until(({ deleted }) => deleted.length > 0)
  assert.deepEqual(watch.deleted, ['goes'])
})

test('a Redis that hangs is noticed, and one that forgets its scripts is told them again', async () => {
  await using world = await ReplicaWorld.start(1)
  const a = world.at(0)
  using watch = a.watch('c')
  await a.put('c', 'one')
  await world.redis.ask('SCRIPT', 'FLUSH')
  await a.put('c', 'two')
  await watch.until(() => watch.ids() === 'one,two')
  world.redis.pause()
  await until(async () => {
    const startedAt = performance.now()
    return (await isUnavailable(a.put('c', 'three'))) && performance.now() - startedAt < 200
  })
  assert.deepEqual([watch.ended, watch.deleted], [undefined, []])
  world.redis.resume()
  await until(async () => !(await isUnavailable(a.put('c', 'four'))))
  await watch.until(({ view }) => view.has('four'))
  assert.deepEqual([watch.ended, watch.deleted], [undefined, []])
})

test('a Redis without memory takes nothing new, and keeps what lives alive', async () => {
  await using world = await ReplicaWorld.start(1, ['--maxmemory-policy', 'noeviction'])
  const a = world.at(0)
  using watch = a.watch('c')
  await a.putFor(3, 'c', 'lives', 'x', 'e')
  await a.put('c', 'goes')
  await watch.until(() => watch.ids() === 'goes,lives')
  await world.redis.ask('CONFIG', 'SET', 'maxmemory', '1mb')
  assert.ok(await isUnavailable(a.put('c', 'new')))
  for (let second = 0; second < 5; second += 1) {
    await a.putFor(3, 'c', 'lives', 'x', 'e')
    await pause(1000)
  }
  await a.client.delete('c', 'goes')
  await watch.until(() => watch.ids() === 'lives')
  assert.deepEqual(watch.deleted, ['goes'])
  await world.redis.ask('CONFIG', 'SET', 'maxmemory', '0')
  await a.put('c', 'new')
  await watch.until(() => watch.ids() === 'lives,new')
})

test('a replica that stops ends its watches well and deletes nobody', async () => {
  await using world = await ReplicaWorld.start(2)
  const [a, b] = [world.at(0), world.at(1)]
  using watchA = a.watch('c')
  using watchB = b.watch('c')
  await a.put('c', 'one')
  for (const watch of [watchA, watchB]) await watch.until(() => watch.ids() === 'one')
  await a.started[Symbol.asyncDispose]()
  await watchA.until(({ ended }) => ended !== undefined)
  assert.equal(watchA.ended, 0)
  await b.put('c', 'two')
  await watchB.until(() => watchB.ids() === 'one,two')
  assert.deepEqual(watchB.deleted, [])
})

test('with TLS, a user of its own and its password, and no more rights than it needs', async () => {
  const port = await freePort()
  const directory = resolve('test/support/tls')
  await using redis = await RedisServer.start(
    ...['--tls-port', `${port}`, '--tls-auth-clients', 'no'],
    ...['--tls-cert-file', `${directory}/one.crt`, '--tls-key-file', `${directory}/one.key`],
    ...['--user', 'openspan', 'on', `>${PASSWORD}`, '~openspan:*', '&openspan:*', ...RIGHTS],
  )
  const passwordFile = `${redis.directory}/password`
  await writeFile(passwordFile, `${PASSWORD}\n`)
  const flags = [
    `-store=rediss://openspan@localhost:${port}`,
    `-store-password-file=${passwordFile}`,
    `-store-ca-file=${directory}/one.crt`,
    '-max-clusters-per-address=9',
  ]
  await using replica = await Replica.start(redis, flags)
  await replica.put('c', 'one')
  using watch = replica.watch('c')
  await watch.until(() => watch.ids() === 'one')
  await replica.putFor(1, 'c', 'ends')
  await watch.until(({ deleted }) => deleted.length > 0)
  assert.deepEqual(
    replica.started.log.filter(({ level }) => level === 'warn'),
    [],
  )
  assert.ok(!JSON.stringify(replica.started.log).includes(PASSWORD))

  await using stranger = await Replica.start(redis, flags.with(2, `-store-ca-file=${directory}/two.crt`))
  assert.ok(await isUnavailable(stranger.put('c', 'two')))
  assert.match(JSON.stringify(stranger.started.log), /store cannot be reached/)
})

const isUnavailable = async (call: Promise<unknown>): Promise<boolean> => {
  try {
    await call
    return false
  } catch (error) {
    if ((error as { code?: number }).code === UNAVAILABLE) return true
    throw error
  }
}

/** @throws when it is not so for too long */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000
  while (!(await isSo())) {
    assert.ok(performance.now() < end, 'in time')
    await pause(50)
  }
}
