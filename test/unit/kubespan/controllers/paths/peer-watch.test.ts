import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Echoes } from '../../../../../kubespan/controllers/paths/echoes.ts'
import { PeerWatch } from '../../../../../kubespan/controllers/paths/peer-watch.ts'
import { type Address, type AddressPort, hostPrefix } from '../../../../../shared/net/address.ts'
import { linkOf } from '../../../../support/links.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { specOf, statusOf } from '../../../../support/peers.ts'

/** One peer that is looked at whenever the watch wants to. */
class World {
  readonly clock = new ManualClock()
  /** Undefined: cannot be asked. */
  answers: boolean | undefined = true
  readonly asked: number[] = []
  rx = 0
  tx = 0
  links = [linkOf('eth0', ['192.0.2.1/24'])]
  state: 'up' | 'down' = 'up'
  endpoint = '192.0.2.2:51820' as AddressPort
  specs = [specOf({})]
  challenged: ReadonlySet<string> | undefined
  readonly echoes = new Echoes(async (addresses) => {
    this.asked.push(this.clock.now())
    if (this.answers === undefined) return undefined
    return new Map(this.answers ? addresses.map((address) => [address, 5]) : [])
  }, this.clock)
  readonly watch = new PeerWatch(this.echoes, this.clock)

  look() {
    return this.watch.look({
      specs: this.specs,
      statuses: new Map([
        [
          'key',
          statusOf({
            state: this.state,
            endpoint: this.endpoint,
            receiveBytes: this.rx,
            transmitBytes: this.tx,
          }),
        ],
      ]),
      links: this.links,
      linkName: 'kubespan',
      challenged: this.challenged,
      now: this.clock.now(),
    })
  }

  /** Looks until `end`, while so many bytes come and go in each look. */
  async until(end: number, rx: number, tx: number): Promise<number | undefined> {
    while (this.clock.now() < end) {
      const { suspects, again } = this.look()
      if (suspects.has('key')) return this.clock.now()
      await this.clock.advance(again ?? 1000)
      this.rx += rx
      this.tx += tx
    }
    return undefined
  }
}

test('a healthy peer is asked once, and its counters are sampled every 5 s', async () => {
  const world = new World()
  assert.equal(await world.until(600_000, 100, 100), undefined)
  assert.deepEqual(world.asked, [0])
  assert.equal(world.look().again, 5000)
})

test('an idle one is asked once as well: its keepalives raise no doubt', async () => {
  const world = new World()
  for (let turn = 0; turn < 20; turn++) {
    assert.equal(await world.until(world.clock.now() + 25_000, 0, 0), undefined)
    world.tx += 32
    if (turn % 5 === 4) world.rx += 92
  }
  assert.deepEqual(world.asked, [0])
})

test('an idle one of which not even handshakes are heard is suspect after three minutes', async () => {
  const world = new World()
  await world.until(20_000, 0, 0)
  world.answers = false
  const at = (await world.until(300_000, 0, 0)) ?? assert.fail('never suspect')
  assert.ok(at <= 190_000, `${at}`)
})

test('what a peer publishes has changed: who answers is fine, who does not is suspect in 4 s, be the tunnel idle', async () => {
  const world = new World()
  await world.until(20_000, 0, 0)
  const publish = (...endpoints: string[]): void => {
    world.specs = [specOf({ endpoints: endpoints as AddressPort[] })]
  }
  publish('192.0.2.2:51820', '198.51.100.2:51820')
  assert.equal(await world.until(25_000, 0, 0), undefined)
  assert.equal(world.asked.length, 2)
  publish('198.51.100.2:51820', '192.0.2.2:51820')
  assert.equal(await world.until(30_000, 0, 0), undefined)
  assert.equal(world.asked.length, 2, 'the order means nothing')

  publish('198.51.100.2:51820')
  world.answers = false
  const since = world.clock.now()
  const at = (await world.until(since + 10_000, 0, 0)) ?? assert.fail('never suspect')
  assert.ok(at - since <= 4000, `${at - since}`)
})

test('what arrived before a move, and was not counted yet, does not show that the path has survived it', async () => {
  for (const move of [
    (world: World) => (world.specs = [specOf({ endpoints: ['192.0.2.9:1' as AddressPort] })]),
    (world: World) => (world.links = [linkOf('eth0', ['192.0.2.77/24'])]),
  ]) {
    const world = new World()
    await world.until(20_000, 100, 0)
    world.look()
    world.rx += 100
    await world.clock.advance(500)
    world.answers = false
    move(world)
    const suspectAt = await world.until(60_000, 0, 0)
    assert.ok(suspectAt !== undefined && suspectAt <= 25_000, `${suspectAt}`)
  }
})

test('a path that dies is suspect within 15 s when the peer used to answer', async () => {
  const world = new World()
  await world.until(20_000, 100, 100)
  world.answers = false
  const at = (await world.until(60_000, 0, 100)) ?? assert.fail('never suspect')
  assert.ok(at - 20_000 <= 13_000, `${at}`)
})

test('without echo it takes longer', async () => {
  const world = new World()
  world.answers = undefined
  await world.until(20_000, 100, 100)
  const at = (await world.until(60_000, 0, 100)) ?? assert.fail('never suspect')
  assert.ok(at - 20_000 >= 15_000 && at - 20_000 <= 20_000, `${at}`)
  assert.deepEqual(world.asked, [0], 'not asked again for a while')
})

test('a new address: who answers is fine, who does not is suspect in 3 s', async () => {
  const world = new World()
  await world.until(20_000, 0, 0)
  world.links = [linkOf('eth0', ['198.51.100.1/24'])]
  assert.equal(await world.until(60_000, 0, 0), undefined)
  assert.equal(world.look().again, 5000, 'the check is over')
  world.links = [linkOf('eth0', ['203.0.113.1/24'])]
  world.answers = false
  const since = world.clock.now()
  const at = (await world.until(since + 10_000, 0, 0)) ?? assert.fail('never suspect')
  assert.ok(at - since <= 3000, `${at - since}`)
})

test('links without addresses, and our own, are no change', async () => {
  const world = new World()
  await world.until(10_000, 0, 0)
  world.links = [...world.links, linkOf('veth1'), linkOf('kubespan', ['fd00::5/64'])]
  assert.equal(world.look().again, 5000)
})

test('who is not up is not watched', () => {
  const world = new World()
  world.state = 'down'
  assert.deepEqual(world.look(), {
    suspects: new Set(),
    unsure: new Set(),
    hasMoved: false,
    again: undefined,
  })
})

test('where nobody can be asked a new address makes no idle peer suspect', async () => {
  const world = new World()
  world.answers = undefined
  for (const address of ['192.0.2.1/24', '198.51.100.1/24', '203.0.113.1/24']) {
    world.links = [linkOf('eth0', [address])]
    assert.equal(await world.until(world.clock.now() + 700_000, 0, 0), undefined)
  }
  assert.equal(world.asked.length, 4, 'tried again every ten minutes')
})

test('who never answered is not looked at more often than any doubt needs when it moves', async () => {
  const world = new World()
  world.answers = false
  await world.until(20_000, 100, 100)
  world.specs = [specOf({ endpoints: ['192.0.2.9:1' as AddressPort] })]
  assert.equal(world.look().again, 1000)
})

test('nor does its silence, or what it publishes', async () => {
  const world = new World()
  world.answers = undefined
  for (const endpoint of ['192.0.2.1:1', '192.0.2.2:2', '192.0.2.3:3'] as AddressPort[]) {
    world.specs = [specOf({ endpoints: [endpoint] })]
    assert.equal(await world.until(world.clock.now() + 400_000, 0, 0), undefined)
    assert.equal(world.look().again, 5000)
  }
})

test('on another path it is asked once more, for how long that takes', async () => {
  const world = new World()
  await world.until(20_000, 100, 100)
  assert.equal(world.echoes.latest(specOf({}).address)?.roundTrip, 5)
  world.endpoint = '192.0.2.9:51820' as AddressPort
  world.look()
  assert.equal(world.echoes.latest(specOf({}).address)?.roundTrip, undefined)
  await world.until(40_000, 100, 100)
  assert.deepEqual([world.asked.length, world.echoes.latest(specOf({}).address)?.roundTrip], [2, 5])
})

test('when a path seems dead eight others are asked, other ones each time: they hear which port our NAT has given us', async () => {
  const clock = new ManualClock()
  const swept: string[][] = []
  const dead = new Set<string>()
  const echoes = new Echoes(async (addresses) => {
    swept.push([...addresses])
    return new Map(addresses.filter((address) => !dead.has(address)).map((address) => [address, 5]))
  }, clock)
  const watch = new PeerWatch(echoes, clock)
  const specs = Array.from({ length: 20 }, (_, index) =>
    specOf({ publicKey: `key${index}`, address: `fd00::${index + 1}` as Address }),
  )
  let rx = 0
  const look = () =>
    watch.look({
      specs,
      statuses: new Map(
        specs.map(({ publicKey, address }) => [
          publicKey,
          statusOf({ state: 'up', receiveBytes: dead.has(address) ? 100 : rx, transmitBytes: rx }),
        ]),
      ),
      links: [linkOf('eth0', ['192.0.2.1/24'])],
      linkName: 'kubespan',
      now: clock.now(),
    })
  const untilSuspect = async (): Promise<void> => {
    for (let turn = 0; turn < 60; turn++) {
      rx += 100
      const { suspects, again } = look()
      if (suspects.size > 0) return
      await clock.advance(again ?? 1000)
    }
    assert.fail('never suspect')
  }
  const witnesses = async (): Promise<readonly string[]> => {
    await clock.advance(0)
    return (swept.at(-1) ?? []).filter((address) => !dead.has(address))
  }

  rx = 100
  look()
  await clock.advance(5000)
  dead.add('fd00::1')
  await untilSuspect()
  const first = await witnesses()
  assert.equal(first.length, 8)
  await clock.advance(1000)
  await untilSuspect()
  const second = await witnesses()
  assert.equal(second.length, 8)
  assert.equal(new Set([...first, ...second]).size, 16)
})

test('whose addresses somebody else begins to claim has to show that it is still there', async () => {
  const world = new World()
  assert.equal(await world.until(20_000, 100, 0), undefined)
  world.answers = false
  world.challenged = new Set(['key'])
  world.look()
  world.challenged = undefined
  const suspectAt = await world.until(60_000, 0, 0)
  assert.ok(suspectAt !== undefined && suspectAt < 24_000, `suspect at ${suspectAt}`)
})

test('of two with one mesh address only the one that is sent to is asked, and its answers are its own', async () => {
  const world = new World()
  const address = specOf({}).address
  const [holder, other] = [
    specOf({ allowedIps: [hostPrefix(address)] }),
    specOf({ publicKey: 'other', allowedIps: [] }),
  ]
  world.specs = [holder, other]
  const statuses = new Map(['key', 'other'].map((key) => [key, statusOf({ state: 'up' })]))
  const asked: number[] = []
  const echoes = new Echoes(async (addresses) => {
    asked.push(addresses.length)
    return new Map()
  }, world.clock)
  const watch = new PeerWatch(echoes, world.clock)
  for (let turn = 0; turn < 5; turn += 1) {
    watch.look({ ...world, statuses, linkName: 'kubespan', now: world.clock.now() })
    await world.clock.advance(1_000)
  }
  assert.deepEqual(new Set(asked), new Set([1]))
})
