import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isNftEventOfOurs, watchHost } from '../../../../kubespan/sources/host-monitor.ts'
import { placementOf } from '../../../support/desired-states.ts'
import { FakeHost } from '../../../support/fake-host.ts'
import { settle } from '../../../support/manual-clock.ts'

const nftLines: readonly (readonly [string, boolean])[] = [
  ['delete element inet openspan routed_v4 { 10.0.0.0/8 }', true],
  ['delete table inet openspan', true],
  ['add rule inet openspan kubespan_outgoing accept', true],
  ['add element inet openspan deaf_v4 { 203.0.113.7 . 51820 timeout 5s expires 5s }', false],
  ['delete chain inet openspan kubespan_deaf', false],
  ['add element inet openspan2 routed_v4 { 10.0.0.0/8 }', false],
  ['add element ip openspan routed_v4 { 10.0.0.0/8 }', false],
  ['# new generation 8 by process 7916 (nft)', false],
]

for (const [line, ours] of nftLines)
  test(`${line}: ${ours ? 'look' : 'nothing to us'}`, () =>
    assert.equal(isNftEventOfOurs(line, placementOf()), ours))

/** Lines that are said one by one, and an end that can be called for. */
function speaker(): { say(line: string): void; fail(error: Error): void; lines: AsyncIterable<string> } {
  const waiting: (string | Error)[] = []
  let ring = (): void => undefined
  const add = (item: string | Error): void => {
    waiting.push(item)
    ring()
  }
  async function* lines(): AsyncGenerator<string> {
    for (;;) {
      for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
        if (typeof item !== 'string') throw item
        yield item
      }
      await new Promise<void>((rung) => {
        ring = rung
      })
    }
  }
  return { say: add, fail: add, lines: { [Symbol.asyncIterator]: lines } }
}

test('a burst is one wake at once and one after it; a monitor that fails is started again', async () => {
  const host = new FakeHost()
  const [ip, nft] = [speaker(), speaker()]
  host.monitors.set('ip', ip.lines).set('nft', nft.lines)
  const stop = new AbortController()
  const failures: string[] = []
  let wakes = 0
  let goneBefore: number | undefined
  const watching = watchHost(
    {
      host,
      placement: () => placementOf(),
      onChange: () => {
        wakes += 1
      },
      onTableGone: async () => {
        goneBefore ??= wakes
      },
      onFailure: (error) => void failures.push(String(error)),
    },
    stop.signal,
  )
  for (let line = 0; line < 100; line += 1) ip.say('[ADDR]2: eth0')
  nft.say('delete table inet openspan')
  nft.say('delete table inet others')
  await settle()
  assert.equal(wakes, 1)
  await host.clock.advance(250)
  assert.equal(wakes, 2)
  await host.clock.advance(1000)
  assert.equal(wakes, 2)

  nft.fail(new Error('no buffer space'))
  await settle()
  assert.deepEqual(failures, ['Error: no buffer space'])
  assert.equal(wakes, 2)
  await host.clock.advance(10_000)
  assert.equal(wakes, 3, 'what happened meanwhile was not heard')
  assert.equal(goneBefore, 1, 'said when it was read, whatever woke a pass before')
  nft.say('delete table inet openspan')
  await host.clock.advance(1000)
  assert.equal(wakes, 4)

  stop.abort()
  ip.say('[ADDR]2: eth0')
  nft.say('')
  await watching
  assert.equal(wakes, 4)
  assert.equal(host.clock.armed, 0)
})

test('a stop during the pause after a failure ends the watch', async () => {
  const host = new FakeHost()
  const stop = new AbortController()
  const watching = watchHost(
    {
      host,
      placement: () => placementOf(),
      onChange: () => assert.fail('nothing happened'),
      onFailure: () => undefined,
    },
    stop.signal,
  )
  await settle()
  stop.abort()
  await watching
  assert.equal(host.clock.armed, 0)
})

test('of changes to the table, those of our own tools are no news', async () => {
  const host = new FakeHost()
  const nft = speaker()
  host.monitors.set('nft', nft.lines)
  host.started.add(77)
  const stop = new AbortController()
  let wakes = 0
  const watching = watchHost(
    {
      host,
      placement: () => placementOf(),
      onChange: () => {
        wakes += 1
      },
      onFailure: () => undefined,
    },
    stop.signal,
  )
  const change = 'add element inet openspan routed_v4 { 10.0.0.0/8 }'
  const hear = async (...lines: readonly string[]): Promise<number> => {
    for (const line of lines) nft.say(line)
    await settle()
    return wakes
  }
  assert.equal(await hear(change, '# new generation 2 by process 77 (nft)'), 0)
  await host.clock.advance(1000)
  assert.equal(wakes, 0)
  assert.equal(await hear(change, '# new generation 3 by process 78 (nft)'), 1)
  await host.clock.advance(1000)
  assert.equal(await hear('# new generation 4 by process 78 (nft)'), 1, 'not our table')
  await hear(change)
  await host.clock.advance(49)
  assert.equal(wakes, 1)
  await host.clock.advance(1)
  assert.equal(wakes, 2, 'nobody says who it was')

  stop.abort()
  nft.say('')
  await host.clock.advance(20_000)
  await watching
})

test('what others do on and on is looked at now and then, and what is ours within the second all the same', async () => {
  const host = new FakeHost()
  const [ip, nft] = [speaker(), speaker()]
  host.monitors.set('ip', ip.lines).set('nft', nft.lines)
  const stop = new AbortController()
  let wakes = 0
  const watching = watchHost(
    {
      host,
      placement: () => placementOf(),
      matters: ({ name }) => name !== 'docker0',
      onChange: () => {
        wakes += 1
      },
      onFailure: () => undefined,
    },
    stop.signal,
  )
  const seconds = async (count: number, line: string): Promise<number> => {
    const before = wakes
    for (let step = 0; step < count * 10; step += 1) {
      ip.say(line)
      await settle()
      await host.clock.advance(100)
    }
    return wakes - before
  }
  assert.equal(await seconds(60, '[LINK]2: docker0: <UP>'), 0)
  const storm = await seconds(60, '[ADDR]3: br0    inet 10.0.0.1/24 scope 0 br0')
  assert.ok(storm >= 35 && storm <= 41, `${storm} looks in a minute`)
  const before = wakes
  ip.say('[RULE]Deleted 32500: from all fwmark 0x40/0x60 lookup 180')
  await settle()
  await host.clock.advance(250)
  assert.ok(wakes > before)
  stop.abort()
  ip.say('')
  nft.say('')
  await watching
})

test('what others change in nft is told of, but for elements, and not what is ours', async () => {
  const host = new FakeHost()
  const [ip, nft] = [speaker(), speaker()]
  host.monitors.set('ip', ip.lines).set('nft', nft.lines)
  const stop = new AbortController()
  let told = 0
  const watching = watchHost(
    {
      ...{ host, placement: () => placementOf(), onChange: () => undefined, onFailure: () => undefined },
      onOthersChange: () => {
        told += 1
      },
    },
    stop.signal,
  )
  for (const [line, count] of [
    ['add rule inet openspan kubespan_outgoing accept', 0],
    ['add element ip kube-proxy service-ips { 10.96.0.1 }', 0],
    ['# new generation 8 by process 7916 (nft)', 0],
    ['add chain ip openspan o { type route hook output priority 10; policy accept; }', 1],
    ['add rule inet other o meta mark set 0x00000000', 2],
    ['delete rule inet other o handle 4', 3],
    ['delete table inet other', 4],
  ] as const) {
    nft.say(line)
    await settle()
    assert.equal(told, count, line)
  }
  nft.fail(new Error('no buffer space'))
  await settle()
  await host.clock.advance(10_000)
  assert.equal(told, 5, 'what happened meanwhile was not heard')
  stop.abort()
  ip.say('')
  nft.say('')
  await watching
})
