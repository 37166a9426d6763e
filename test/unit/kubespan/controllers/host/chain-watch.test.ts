import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ChainWatch } from '../../../../../kubespan/controllers/host/chain-watch.ts'
import { ManualClock, settle } from '../../../../support/manual-clock.ts'

const tableOf = (name: string, chain: string, rule: string): string =>
  `table inet ${name} { # handle 1\n\tchain c { # handle 1\n\t\t${chain}\n\t\t${rule} # handle 2\n\t}\n}\n`
const LATE = 'type route hook output priority 10; policy accept;'
const EARLY = 'type filter hook prerouting priority -100; policy accept;'
const RULE = { family: 'inet', table: 'o', chain: 'c', handle: 2 }
const JSON_OF_LATE = JSON.stringify({
  nftables: [
    { chain: { ...RULE, name: 'c', type: 'route', hook: 'output', prio: 10 } },
    { rule: { ...RULE, expr: [{ mangle: { key: { meta: { key: 'mark' } }, value: 0 } }] } },
  ],
})

function world() {
  const clock = new ManualClock()
  const shown = { words: '', takes: 0, fails: false }
  const calls: string[] = []
  const seen = { changes: 0 }
  const watch = new ChainWatch(
    {
      clock,
      async run(_, args) {
        calls.push(args.includes('-j') ? 'json' : 'words')
        if (shown.fails) throw new Error('nft: busy')
        if (shown.takes > 0) await new Promise<void>((done) => void clock.after(shown.takes, done))
        return args.includes('-j') ? JSON_OF_LATE : shown.words
      },
    },
    () => {
      seen.changes += 1
    },
  )
  return { clock, shown, calls, seen, watch }
}

test('a chain that takes our mark is known as soon as somebody makes it, and forgotten when it has gone', async () => {
  const { clock, shown, calls, seen, watch } = world()
  shown.words = tableOf('openspan', LATE, 'meta mark set 0')
  const count = async () => (await watch.chains('openspan')).marks.length
  assert.equal(await count(), 0, 'ours')
  assert.deepEqual(calls.splice(0), ['words'])
  assert.equal(await count(), 0)
  assert.deepEqual(calls.splice(0), [], 'nobody has changed anything')

  await clock.advance(5000)
  shown.words = tableOf('o', LATE, 'meta mark set 0x00000000')
  watch.changed()
  watch.changed()
  await clock.advance(250)
  assert.deepEqual([seen.changes, await count(), calls.splice(0)], [1, 1, ['words', 'json']])

  shown.words = tableOf('o', EARLY, 'meta mark set 0x00000000')
  watch.changed()
  await clock.advance(4900)
  assert.equal(seen.changes, 1)
  await clock.advance(100)
  assert.deepEqual([seen.changes, await count(), calls.splice(0)], [2, 0, ['words']])
  assert.equal(clock.armed, 0)
})

test('who writes rules all the time costs less than a hundredth of the time, and wakes nobody', async () => {
  const { clock, shown, calls, seen, watch } = world()
  await watch.chains('openspan')
  calls.length = 0
  shown.takes = 200
  for (let second = 0; second < 600; second += 1) {
    watch.changed()
    await clock.advance(1000)
  }
  assert.equal(seen.changes, 0)
  assert.ok(calls.length >= 15 && calls.length * 200 < 6000, `${calls.length} looks`)
})

test('what cannot be read changes nothing, and after the end nothing is looked at', async () => {
  const { clock, shown, calls, seen, watch } = world()
  shown.words = tableOf('o', LATE, 'meta mark set 0x00000000')
  assert.equal((await watch.chains('openspan')).marks.length, 1)
  shown.fails = true
  watch.changed()
  await clock.advance(5000)
  assert.equal((await watch.chains('openspan')).marks.length, 1)
  assert.equal(seen.changes, 0)
  watch.changed()
  watch[Symbol.dispose]()
  watch.changed()
  calls.length = 0
  await clock.advance(60_000)
  await settle()
  assert.deepEqual([calls, clock.armed], [[], 0])
})
