import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  beginVigil,
  judgeVigil,
  noteEcho,
  recheck,
  SUSPICION,
  sample,
  sampleAfter,
  type Verdict,
  type Vigil,
} from '../../../../../kubespan/plan/paths/suspicion.ts'

/** A peer under watch: counters grow by what the test says, and are sampled when they should be. */
class Watch {
  now = 0
  rx = 0
  tx = 0
  echoes = 0
  vigil: Vigil
  readonly verdicts: string[] = []

  constructor(answersEcho: boolean) {
    this.vigil = beginVigil({ receiveBytes: 0, transmitBytes: 0 }, 0, answersEcho)
  }

  get verdict(): Verdict {
    return judgeVigil(this.vigil, this.now, SUSPICION)
  }

  /** One sample; in doubt an echo is sent, which `answers` or not. */
  look(said: { rx?: number; tx?: number; answers?: boolean } = {}): Verdict {
    this.now += sampleAfter(this.verdict, SUSPICION)
    this.rx += said.rx ?? 0
    this.tx += said.tx ?? 0
    this.vigil = sample(this.vigil, { receiveBytes: this.rx, transmitBytes: this.tx }, this.now, SUSPICION)
    if (this.verdict === 'doubtful') {
      this.echoes += 1
      this.vigil = noteEcho(this.vigil, said.answers ?? false, this.now)
    }
    this.verdicts.push(`${this.now / 1000} ${this.verdict}`)
    return this.verdict
  }
}

const busy = { rx: 1000, tx: 1000 }
const oneWay = { tx: 1000 }

test('a path that dies under traffic is suspect within 15 s when the peer used to answer echoes', () => {
  const watch = new Watch(true)
  watch.look(busy)
  while (watch.look(oneWay) !== 'suspect');
  // It died between 0 s and 5 s, so after 8 s to 13 s.
  assert.deepEqual(watch.verdicts, ['5 calm', '10 doubtful', '11 doubtful', '12 doubtful', '13 suspect'])
})

test('one that never answered an echo is suspect after 15 s of silence for certain', () => {
  const watch = new Watch(false)
  watch.look(busy)
  while (watch.look(oneWay) !== 'suspect');
  assert.equal(watch.now, 20_000)
})

test('an answered echo ends the doubt: one-way traffic is legitimate', () => {
  const watch = new Watch(true)
  watch.look(busy)
  for (let look = 0; look < 50; look += 1)
    assert.notEqual(watch.look({ ...oneWay, answers: true }), 'suspect')
})

test('neither the bytes of an answered echo nor the keepalive behind it cause another one', () => {
  const watch = new Watch(true)
  watch.look(busy)
  let answeredAt = Number.POSITIVE_INFINITY
  for (let look = 0, asked = 0; look < 20; look += 1) {
    const itsBytes = watch.echoes > asked ? { tx: 128, rx: 128 } : {}
    if (watch.echoes > asked) answeredAt = watch.now
    asked = watch.echoes
    const isAfterSilence = watch.now >= answeredAt + 5_000
    if (isAfterSilence) answeredAt = Number.POSITIVE_INFINITY
    const keepalive = look % 5 === 4 ? { rx: 32 } : {}
    watch.look({
      ...keepalive,
      ...(look === 0 ? oneWay : isAfterSilence ? { tx: 32 } : itsBytes),
      answers: true,
    })
  }
  assert.equal(watch.echoes, 1)
})

test('a single lost echo condemns nobody', () => {
  const watch = new Watch(true)
  watch.look(busy)
  watch.look(oneWay)
  assert.equal(watch.vigil.unanswered, 1)
  assert.notEqual(watch.look({ ...oneWay, rx: 100 }), 'suspect')
  assert.equal(watch.vigil.unanswered, 0)
})

test('an idle tunnel is calm: keepalives are no traffic, and may all be ours', () => {
  const watch = new Watch(true)
  // A keepalive every 25 s, and with the first one after 120 s a handshake.
  for (let look = 1; look < 240; look += 1)
    assert.equal(watch.look(look % 30 === 0 ? { tx: 180, rx: 92 } : look % 5 === 0 ? { tx: 32 } : {}), 'calm')
  assert.equal(watch.echoes, 0)
})

test('an idle tunnel in which not even handshakes come is asked, and suspect when echoes fail', () => {
  const moved = new Watch(true)
  while (moved.look() !== 'suspect');
  assert.deepEqual(moved.verdicts.slice(34), [
    ...['175 calm', '180 doubtful', '181 doubtful', '182 doubtful', '183 suspect'],
  ])

  const there = new Watch(true)
  for (let look = 0; look < 200; look += 1) {
    const isAsked = there.verdict === 'doubtful'
    assert.notEqual(there.look({ answers: true, rx: isAsked ? 128 : 0 }), 'suspect')
  }

  const neverAnswered = new Watch(false)
  while (neverAnswered.look() !== 'suspect');
  assert.equal(neverAnswered.now, 195_000, 'WireGuard itself answers the echoes within 10 s')
})

test('a peer whose published endpoints change has to answer one of four echoes, or any packet', () => {
  const moved = recheck(new Watch(true).vigil, 'it moved', 1000)
  let asked = moved
  for (let echo = 1; echo <= 4; echo += 1) {
    assert.equal(judgeVigil(asked, 9000, SUSPICION), 'doubtful', `${echo - 1} may be lost`)
    asked = noteEcho(asked, false, 1000 + echo * 400)
  }
  assert.equal(judgeVigil(asked, 2400, SUSPICION), 'doubtful', 'it has a moment')
  assert.equal(judgeVigil(asked, 2600, SUSPICION), 'suspect')
  assert.equal(judgeVigil(noteEcho(asked, true, 2600), 2600, SUSPICION), 'calm')
  const received = sample(asked, { receiveBytes: 1, transmitBytes: 0 }, 2600, SUSPICION)
  assert.equal(judgeVigil(received, 2600, SUSPICION), 'calm')

  let silent = recheck(new Watch(false).vigil, 'it moved', 1000)
  for (let echo = 0; echo < 8; echo += 1) silent = noteEcho(silent, false, 2000)
  assert.equal(judgeVigil(silent, 15_999, SUSPICION), 'doubtful', 'it may drop echoes')
  assert.equal(judgeVigil(silent, 16_000, SUSPICION), 'suspect')
})

test('a peer that moves again and again gets no more time by that', () => {
  let vigil = recheck(new Watch(true).vigil, 'it moved', 1000)
  for (let at = 1400; at <= 2600; at += 400) vigil = noteEcho(recheck(vigil, 'it moved', at), false, at)
  assert.equal(judgeVigil(vigil, 2600, SUSPICION), 'suspect')
})

test('that a peer moved does not excuse it from what our own move demands', () => {
  const ours = recheck(new Watch(true).vigil, 'we moved', 1000)
  assert.equal(recheck(ours, 'it moved', 1400), ours)
  assert.deepEqual(recheck(recheck(new Watch(true).vigil, 'it moved', 1000), 'we moved', 1400).recheck, {
    since: 1400,
    because: 'we moved',
  })
})

test('traffic that does not show in every fast sample is still traffic, traffic that ended is not', () => {
  const watch = new Watch(false)
  watch.look(busy)
  watch.look(oneWay)
  for (let look = 0; look < 9; look += 1) watch.look(look % 3 === 0 ? oneWay : {})
  assert.equal(watch.verdict, 'doubtful')
  while (sampleAfter(watch.verdict, SUSPICION) !== SUSPICION.sampleEvery) watch.look()
  assert.ok(watch.now < 30_000, watch.verdicts.join(', '))
})

test('after a change of our own network everybody has to answer at once', () => {
  const answering = recheck(new Watch(true).vigil, 'we moved', 1000)
  assert.equal(judgeVigil(answering, 1000, SUSPICION), 'doubtful')
  const heard = noteEcho(answering, true, 1100)
  assert.equal(judgeVigil(heard, 9000, SUSPICION), 'calm')
  const once = noteEcho(answering, false, 1700)
  assert.equal(judgeVigil(once, 2500, SUSPICION), 'doubtful', 'one packet may be lost')
  assert.equal(judgeVigil(noteEcho(once, false, 2400), 2500, SUSPICION), 'suspect')

  const silent = recheck(new Watch(false).vigil, 'we moved', 1000)
  assert.equal(judgeVigil(silent, 2499, SUSPICION), 'doubtful')
  assert.equal(judgeVigil(silent, 2500, SUSPICION), 'suspect')
  const received = sample(silent, { receiveBytes: 1, transmitBytes: 0 }, 2000, SUSPICION)
  assert.equal(judgeVigil(received, 2500, SUSPICION), 'calm')
})

test('one in doubt is sampled faster', () => {
  assert.deepEqual(
    (['calm', 'doubtful', 'suspect'] as const).map((verdict) => sampleAfter(verdict, SUSPICION)),
    [SUSPICION.sampleEvery, SUSPICION.sampleInDoubtEvery, SUSPICION.sampleInDoubtEvery],
  )
})

test('whoever is heard from is never suspect', () => {
  const look = fc.record({ rx: fc.nat({ max: 50 }), tx: fc.nat({ max: 50 }), answers: fc.boolean() })
  fc.assert(
    fc.property(fc.boolean(), fc.array(look, { maxLength: 60 }), (answersEcho, looks) => {
      const watch = new Watch(answersEcho)
      for (const drawn of looks) if (watch.look(drawn) === 'suspect') assert.equal(drawn.rx, 0)
    }),
  )
})
