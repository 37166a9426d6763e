import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RankedEndpoint } from '../../../../../kubespan/plan/paths/rank-endpoints.ts'
import {
  stepUpgrade,
  UPGRADE,
  type Upgrade,
  type UpgradeInput,
  type UpgradeStep,
} from '../../../../../kubespan/plan/paths/upgrade.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

const [lan, wan, elsewhere] = ['192.168.1.7:51820', '203.0.113.7:51820', '198.51.100.1:1'] as [
  AddressPort,
  AddressPort,
  AddressPort,
]
const ranked: RankedEndpoint[] = [
  { endpoint: lan, class: 'on a shared link', rank: 0 },
  { endpoint: wan, class: 'public IPv4', rank: 1 },
]
/** An echo that took a moment to leave. */
const answeredAt = (askedAt: number, roundTrip = 40) => ({ askedAt, sentBefore: askedAt + 5, roundTrip })

const steady: UpgradeInput = {
  ...{ ranked, endpoint: wan, receiveBytes: 0, isSteady: true, now: 0 },
  answered: answeredAt(-1),
}

const step = (before: Upgrade | undefined, said: Partial<UpgradeInput>) =>
  stepUpgrade(before, { ...steady, ...said }, UPGRADE)

/** Up to the moment in which the better endpoint has just been written. */
function touched(): Upgrade {
  const first = step(undefined, {})
  assert.deepEqual([first.endpoint, first.echo, first.nextAt], [undefined, false, UPGRADE.pause])
  const second = step(first.upgrade, { now: UPGRADE.pause })
  assert.deepEqual([second.endpoint, second.echo, second.deafTo], [lan, true, undefined])
  return second.upgrade as Upgrade
}

/** Up to the moment in which something has arrived, by whichever path. */
function standing(): Upgrade {
  const still = step(touched(), { now: 5000, endpoint: lan, receiveBytes: 5 })
  assert.deepEqual([still.endpoint, still.echo, still.deafTo], [undefined, true, undefined])
  return still.upgrade as Upgrade
}

/** Up to the moment in which it was heard there. */
function begun(): Upgrade {
  const moving = step(standing(), { now: 5000, endpoint: lan, receiveBytes: 10 })
  assert.deepEqual([moving.endpoint, moving.echo, moving.deafTo], [undefined, true, wan])
  return moving.upgrade as Upgrade
}

test('a better path that answers is kept, once it has stood for a while', () => {
  const upgrade = begun()
  const heard = step(upgrade, { now: 5050, endpoint: lan, receiveBytes: 100 })
  assert.deepEqual([heard.endpoint, heard.echo, heard.deafTo, heard.nextAt], [undefined, true, wan, 5100])
  const settled = step(heard.upgrade, { now: 5350, endpoint: lan, receiveBytes: 900 })
  assert.deepEqual(settled, {
    upgrade: undefined,
    endpoint: undefined,
    echo: false,
    deafTo: undefined,
    nextAt: undefined,
  })
})

test('a path is only touched before it is known to work, and what answers by it late counts as well', () => {
  const back = step(touched(), { now: 5050, endpoint: lan })
  assert.deepEqual([back.endpoint, back.echo, back.deafTo, back.nextAt], [wan, false, undefined, 5100])
  const listening = step(back.upgrade, { now: 5100, receiveBytes: 100 })
  assert.deepEqual([listening.endpoint, listening.echo, listening.deafTo], [undefined, false, undefined])
  const heard = step(listening.upgrade, { now: 5150, endpoint: lan, receiveBytes: 200 })
  assert.deepEqual([heard.endpoint, heard.echo, heard.deafTo], [undefined, true, wan])
  const silent = step(listening.upgrade, { now: 5300, receiveBytes: 200 })
  assert.deepEqual([silent.endpoint, silent.nextAt], [undefined, 5300 + 30_000], 'the old one stands already')
})

test('what arrives between the look and the touch came by the old path', () => {
  const silent = step(standing(), { now: 5060, endpoint: lan, receiveBytes: 5 })
  assert.deepEqual([silent.endpoint, silent.echo, silent.deafTo], [wan, false, undefined])
  const pulledBack = step(standing(), { now: 5060, receiveBytes: 10 })
  assert.deepEqual([pulledBack.endpoint, pulledBack.echo, pulledBack.deafTo], [lan, true, undefined])
  const again = step(pulledBack.upgrade, { now: 5100, endpoint: lan, receiveBytes: 15 })
  assert.deepEqual([again.endpoint, again.deafTo], [undefined, undefined], 'it has to stand once more')
})

test('an answer tells that it was reached, also where we were pulled back before it could be seen', () => {
  const answered = answeredAt(5005)
  const heard = step(touched(), { now: 5050, endpoint: lan, receiveBytes: 5, answered })
  assert.deepEqual([heard.endpoint, heard.echo, heard.deafTo], [undefined, true, wan])

  let [touchedAt, back] = [5000, step(touched(), { now: 5050, endpoint: lan })]
  for (let touches = 2; touches <= UPGRADE.touches; touches += 1) {
    const now = touchedAt + 150
    const left = { ...answeredAt(touchedAt), sentBefore: touchedAt + 60 }
    const late = step(back.upgrade, { now: now - 50, answered: left })
    assert.equal(late.endpoint, undefined, 'it may have left when the old path was back')
    const again = step(late.upgrade, { now, answered: answeredAt(touchedAt) })
    assert.deepEqual([again.endpoint, again.echo, again.deafTo], [lan, true, undefined])
    back = step(again.upgrade, { now: now + 50, endpoint: lan, answered: answeredAt(touchedAt) })
    assert.deepEqual([back.endpoint, back.echo], [wan, false], 'that was an answer to an earlier one')
    touchedAt = now
  }
  const sure = step(back.upgrade, { now: touchedAt + 100, answered: answeredAt(touchedAt) })
  assert.deepEqual([sure.endpoint, sure.echo, sure.deafTo], [lan, true, wan], 'reached time and again')
})

test('a silent one is left after three round trips, and no sooner than 300 ms', () => {
  for (const [roundTrip, limit] of [
    [undefined, 300],
    [40, 300],
    [200, 600],
  ] as const) {
    const upgrade = begun()
    const answered = roundTrip === undefined ? undefined : answeredAt(0, roundTrip)
    const waiting = step(upgrade, { now: 5000 + limit - 1, endpoint: lan, receiveBytes: 10, answered })
    assert.equal(waiting.endpoint, undefined)
    const restored = step(waiting.upgrade, { now: 5000 + limit, endpoint: lan, receiveBytes: 10, answered })
    assert.equal(restored.endpoint, wan)
    assert.equal(restored.nextAt, 5000 + limit + 30_000)
  }
})

test('attempts come at growing intervals, until the better paths are others', () => {
  let upgrade: Upgrade | undefined
  let [now, endpoint] = [0, wan]
  const tries: number[] = []
  while (tries.length < 6) {
    const next = step(upgrade, { now, endpoint })
    if (next.endpoint === lan) tries.push(now)
    endpoint = next.endpoint ?? endpoint
    upgrade = next.upgrade
    now = next.nextAt ?? now
  }
  const gaps = tries.slice(1).map((at, index) => Math.round((at - (tries[index] ?? 0)) / 1000))
  assert.deepEqual(gaps, [30, 180, 1080, 6480, 21_600])

  const more = [
    { endpoint: elsewhere, class: 'in a preferred range', rank: 0 } as const,
    ...ranked.map((one) => ({ ...one, rank: one.rank + 1 })),
  ]
  const restored = step(upgrade, { now: now + 1000, endpoint: lan })
  assert.equal(step(restored.upgrade, { now, endpoint: wan, ranked: more }).nextAt, now + UPGRADE.pause)
})

test('of several better paths each has its turn', () => {
  const two = [
    { endpoint: elsewhere, class: 'in a preferred range', rank: 0 } as const,
    { ...ranked[0], rank: 1 },
    { ...ranked[1], rank: 2 },
  ] as RankedEndpoint[]
  const first = step(step(undefined, { ranked: two }).upgrade, { ranked: two, now: 5000 })
  assert.equal(first.endpoint, elsewhere)
  const lost = step(first.upgrade, { ranked: two, now: 5300, endpoint: elsewhere })
  assert.equal(lost.endpoint, wan)
  assert.equal(step(lost.upgrade, { ranked: two, now: 35_300 }).endpoint, lan)
})

test('one that falls silent again is left as well', () => {
  const heard = step(begun(), { now: 5050, endpoint: lan, receiveBytes: 100 })
  const silent = step(heard.upgrade, { now: 5350, endpoint: lan, receiveBytes: 100 })
  assert.equal(silent.endpoint, wan)
})

test('packets in flight that roam back are overruled, but not for ever', () => {
  let upgrade: Upgrade | undefined = begun()
  let [now, receiveBytes, writes] = [5000, 0, 0]
  while (upgrade?.trial !== undefined) {
    now += 50
    receiveBytes += 100
    const next = step(upgrade, { now, receiveBytes, endpoint: now % 100 === 0 ? wan : lan })
    if (next.endpoint === lan) writes += 1
    upgrade = next.upgrade
  }
  assert.ok(writes > 10)
  assert.equal(now, 5000 + UPGRADE.longest)
  assert.equal(upgrade?.attempts, 1)
})

test('nothing is tried without need, without a session, or while somebody else is at it', () => {
  const nothing = {
    upgrade: undefined,
    endpoint: undefined,
    echo: false,
    deafTo: undefined,
    nextAt: undefined,
  }
  assert.deepEqual(step(undefined, { endpoint: lan }), nothing, 'already there')
  assert.deepEqual(step(undefined, { endpoint: undefined }), nothing)
  assert.deepEqual(step(undefined, { isSteady: false }), nothing)
  assert.deepEqual(
    step(undefined, { ranked: ranked.slice(1) }),
    nothing,
    'one public path is as good as another',
  )
  assert.equal(step(begun(), { now: 5050, isSteady: false }).upgrade?.trial, undefined)
  const moved = step(begun(), { now: 5050, endpoint: elsewhere })
  assert.deepEqual([moved.endpoint, moved.upgrade?.trial], [undefined, undefined], 'the peer moved by itself')
})

interface World {
  /** Milliseconds from one end to the other. */
  readonly lanDelay: number
  readonly wanDelay: number
  /** What gets through on the LAN: from the first end, from the second. */
  readonly lanWorks: readonly [boolean, boolean]
  /** Milliseconds between packets of each end, and when each begins. */
  readonly period: readonly [number, number]
  readonly startAt: readonly [number, number]
  /** Milliseconds from what an end saw to what it does about it. */
  readonly actAfter: readonly [number, number]
}

type Kind = 'data' | 'echo' | 'answer'

/** Two ends that roam as WireGuard does: each to where the last packet came from. */
function live(world: World, until: number) {
  const ends = ([0, 1] as const).map((index) => ({
    index,
    endpoint: wan,
    receiveBytes: 0,
    /** When the echo was sent that was answered last. */
    answeredOf: -1,
    upgrade: undefined as Upgrade | undefined,
    deafTo: undefined as AddressPort | undefined,
    nextAt: world.startAt[index],
    act: undefined as { readonly at: number; readonly step: UpgradeStep } | undefined,
    changes: [] as number[],
  }))
  let sent = 0
  let lost = 0
  const flying: { at: number; to: number; by: AddressPort; kind: Kind; echoedAt: number }[] = []
  const send = (from: number, now: number, kind: Kind, echoedAt = now): void => {
    const by = ends[from]?.endpoint ?? wan
    if (kind === 'data') sent += 1
    if (by === lan && !world.lanWorks[from === 0 ? 0 : 1]) lost += kind === 'data' ? 1 : 0
    else {
      const at = now + (by === lan ? world.lanDelay : world.wanDelay)
      flying.push({ at, to: 1 - from, by, kind, echoedAt })
    }
  }
  for (let now = 0; now <= until; now += 1) {
    for (const packet of flying.filter(({ at }) => at === now)) {
      flying.splice(flying.indexOf(packet), 1)
      const end = ends[packet.to]
      if (end === undefined) continue
      if (end.deafTo === packet.by) {
        if (packet.kind === 'data') lost += 1
        continue
      }
      if (end.endpoint !== packet.by) end.changes.push(now)
      end.endpoint = packet.by
      end.receiveBytes += 100
      if (packet.kind === 'echo') send(packet.to, now, 'answer', packet.echoedAt)
      if (packet.kind === 'answer') end.answeredOf = packet.echoedAt
    }
    for (const end of ends) {
      if (now % world.period[end.index] === 0) send(end.index, now, 'data')
      if (now >= end.nextAt) {
        const { endpoint, receiveBytes } = end
        const answered = answeredAt(end.answeredOf, 2 * world.wanDelay)
        const seen = { ...steady, endpoint, receiveBytes, answered, now }
        const step = stepUpgrade(end.upgrade, seen, UPGRADE)
        const actAfter = world.actAfter[end.index]
        end.upgrade = step.upgrade
        end.act = { at: now + actAfter, step }
        end.nextAt = (step.nextAt ?? now + 1000) + actAfter
      }
      if (end.act?.at !== now) continue
      const { endpoint, echo, deafTo } = end.act.step
      end.deafTo = deafTo
      end.endpoint = endpoint ?? end.endpoint
      if (echo) send(end.index, now, 'echo')
    }
  }
  return {
    endpoints: ends.map(({ endpoint }) => endpoint),
    changes: ends.flatMap(({ changes }) => changes),
    sent,
    lost,
  }
}

const world = fc.record({
  lanDelay: fc.integer({ min: 1, max: 30 }),
  wanDelay: fc.integer({ min: 1, max: 150 }),
  period: fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 })),
  startAt: fc.oneof(
    fc.constant([0, 0] as [number, number]),
    fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: 2000 })),
  ),
  actAfter: fc.tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 })),
})

test('both ends find the LAN at the first attempt, whoever begins, under any traffic', () => {
  fc.assert(
    fc.property(world, (drawn) => {
      const { endpoints, changes, lost } = live({ ...drawn, lanWorks: [true, true] }, 20_000)
      assert.deepEqual(endpoints, [lan, lan])
      assert.ok(
        changes.every((at) => at < 15_000),
        'and then they stay',
      )
      const inFlight = drawn.period.map(
        (period) => (2 * drawn.wanDelay + drawn.lanDelay + UPGRADE.lookEvery) / period,
      )
      assert.ok(
        lost <= 2 * inFlight.reduce((sum, packets) => sum + Math.ceil(packets), 0),
        `lost ${lost}: no more than was in flight when each began`,
      )
    }),
    {
      numRuns: 100,
      examples: [
        [{ lanDelay: 16, wanDelay: 73, period: [310, 315], startAt: [978, 0], actAfter: [0, 0] }],
        [{ lanDelay: 16, wanDelay: 1, period: [773, 339], startAt: [63, 1170], actAfter: [23, 15] }],
      ],
    },
  )
})

test('where it works in one direction or none they stay on the old path and lose what the attempts take', () => {
  const works = fc.constantFrom<[boolean, boolean]>([true, false], [false, true], [false, false])
  const { roundTrips, silence, lookEvery, touches, touchFor } = UPGRADE
  fc.assert(
    fc.property(world, works, (drawn, lanWorks) => {
      const roundTrip = 2 * drawn.wanDelay
      const attempt = Math.max(roundTrips * roundTrip, silence) + roundTrip + lookEvery
      const prompt: World = { ...drawn, actAfter: [0, 0], period: [100, 100], lanWorks }
      const { endpoints, lost, sent } = live(prompt, 60_000)
      assert.deepEqual(endpoints, [wan, wan])
      // In a minute each end makes two, and each costs both ends what they send meanwhile.
      assert.ok(lost <= 2 * 2 * Math.ceil(attempt / 100), `lost ${lost} of ${sent} in ${attempt} ms`)

      const slow = live({ ...prompt, actAfter: drawn.actAfter }, 60_000)
      assert.deepEqual(slow.endpoints, [wan, wan])
      const act = Math.max(...drawn.actAfter)
      const longest = touches * (touchFor + act) + attempt + act
      // Both directions of all of it.
      assert.ok(slow.lost <= 2 * 2 * 2 * Math.ceil(longest / 100), `lost ${slow.lost} in ${longest} ms`)
    }),
    { numRuns: 100 },
  )
})

test('a LAN that carries nothing takes less than 0.6 percent of ten packets a second, on hosts that are slow to act as well', () => {
  const runs = fc
    .sample(world, 200)
    .map((drawn) => live({ ...drawn, period: [100, 100], lanWorks: [false, false] }, 60_000))
  const lostShare = runs.reduce((sum, { lost, sent }) => sum + lost / sent, 0) / runs.length
  assert.ok(lostShare < 0.006, `${(100 * lostShare).toFixed(2)} %`)
})
