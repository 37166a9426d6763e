import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Liveness, type Pingable } from '../../../../discovery/transport/liveness.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

class Session implements Pingable {
  bytesRead = 0
  pings = 0
  destroyed = false
  answers: boolean
  constructor(answers: boolean) {
    this.answers = answers
  }
  ping(): boolean {
    this.pings += 1
    if (this.answers) this.bytesRead += 17
    return true
  }
  destroy(): void {
    this.destroyed = true
  }
}

const world = (answers: boolean): { clock: ManualClock; liveness: Liveness; session: Session } => {
  const clock = new ManualClock()
  const liveness = new Liveness(clock, { idle: 30_000, answer: 20_000 })
  const session = new Session(answers)
  liveness.add(session, session)
  return { clock, liveness, session }
}

test('a session that answers lives for ever, at one ping per idle time', async () => {
  const { clock, liveness, session } = world(true)
  await clock.advance(3_600_000)
  assert.equal(session.destroyed, false)
  assert.ok(session.pings > 80 && session.pings <= 120, String(session.pings))
  liveness[Symbol.dispose]()
  assert.equal(clock.armed, 0)
})

test('a session that does not answer is closed after the limits', async () => {
  const { clock, liveness, session } = world(false)
  await clock.advance(29_000)
  assert.equal(session.pings, 0)
  await clock.advance(6_000)
  assert.equal(session.pings, 1)
  await clock.advance(14_000)
  assert.equal(session.destroyed, false)
  await clock.advance(11_000)
  assert.deepEqual([session.destroyed, session.pings, liveness.lost, liveness.size], [true, 1, 1, 0])
  assert.equal(clock.armed, 0, 'nobody left to look after')
})

test('bytes of any kind are a sign of life, before the ping and after', async () => {
  const { clock, session } = world(false)
  for (let n = 0; n < 20; n++) {
    session.bytesRead += 1
    await clock.advance(25_000)
  }
  assert.deepEqual([session.pings, session.destroyed], [0, false])
  await clock.advance(15_000)
  assert.equal(session.pings, 1)
  session.bytesRead += 1
  await clock.advance(25_000)
  assert.deepEqual([session.pings, session.destroyed], [1, false])
})

test('a session that went by itself is neither pinged nor counted', async () => {
  const { clock, liveness, session } = world(false)
  session.destroyed = true
  await clock.advance(36_000)
  assert.equal(session.pings, 0)
  liveness.remove(session)
  await clock.advance(60_000)
  assert.equal(liveness.lost, 0)
})
