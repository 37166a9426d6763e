import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RevisionLog } from '../../../../discovery/subscription/revision-log.ts'

type Step = [id: string, change: 'created' | 'updated' | 'deleted']

/** `-deleted +updated`, in order. */
function netChange(steps: Step[], since = 0, seen = 0): string | undefined {
  const log = new RevisionLog()
  for (const [id, change] of steps) {
    log.record(id, change)
    if (log.revision === seen) log.seen(0) // some have seen so much, others nothing
  }
  const changes = log.since(since)
  return (
    changes &&
    [...changes.deletedIds.map((id) => `-${id}`), ...changes.updatedIds.map((id) => `+${id}`)].join(' ')
  )
}

const cases: { steps: Step[]; since?: number; seen?: number; want: string; why: string }[] = [
  { steps: [], want: '', why: 'nothing happened' },
  { steps: [['a', 'created']], want: '+a', why: 'a new one is told' },
  {
    steps: [
      ['a', 'updated'],
      ['b', 'updated'],
      ['a', 'updated'],
    ],
    want: '+b +a',
    why: 'each is told once, at its last change',
  },
  {
    steps: [
      ['a', 'updated'],
      ['a', 'deleted'],
    ],
    want: '-a',
    why: 'only the deletion matters',
  },
  {
    steps: [
      ['a', 'created'],
      ['a', 'deleted'],
    ],
    want: '-a',
    why: 'who made it, and was never told that it is there, must hear that it went',
  },
  {
    steps: [
      ['a', 'deleted'],
      ['a', 'created'],
    ],
    want: '-a +a',
    why: 'a deletion is told also when the affiliate is there again: its owner may have made neither',
  },
  {
    steps: [
      ['a', 'deleted'],
      ['a', 'created'],
      ['a', 'deleted'],
    ],
    want: '-a',
    why: 'only the last deletion is told',
  },
  {
    steps: [
      ['a', 'created'],
      ['b', 'created'],
      ['a', 'deleted'],
    ],
    seen: 1,
    since: 1,
    want: '-a +b',
    why: 'who has seen the creation hears of the deletion',
  },
  {
    steps: [
      ['a', 'deleted'],
      ['b', 'updated'],
      ['a', 'created'],
      ['a', 'deleted'],
    ],
    seen: 1,
    since: 1,
    want: '-a +b',
    why: 'who has seen one deletion hears of the next',
  },
  {
    steps: [
      ['a', 'deleted'],
      ['b', 'updated'],
      ['a', 'created'],
    ],
    seen: 1,
    since: 1,
    want: '+b +a',
    why: 'who has seen the deletion does not hear of it again',
  },
  {
    steps: [
      ['a', 'deleted'],
      ['a', 'created'],
      ['a', 'updated'],
    ],
    since: 2,
    want: '+a',
    why: 'nor when more came after',
  },
  {
    steps: [
      ['a', 'created'],
      ['b', 'created'],
      ['a', 'updated'],
    ],
    since: 2,
    want: '+a',
    why: 'what was seen is not told again',
  },
]
for (const { steps, since, seen, want, why } of cases)
  test(`net change: ${why}`, () => assert.equal(netChange(steps, since, seen), want))

test('what everybody has seen is forgotten', () => {
  const log = new RevisionLog()
  for (const id of ['a', 'b', 'c']) log.record(id, 'created')
  log.seen(0)
  log.record('a', 'deleted')
  log.seen(3)
  assert.equal(log.size, 1)
  assert.deepEqual(log.since(3), { deletedIds: ['a'], updatedIds: [] })
  log.seen(log.revision)
  assert.equal(log.size, 0)
  log.record('a', 'created')
  log.record('a', 'deleted')
  assert.deepEqual(log.since(4), { deletedIds: ['a'], updatedIds: [] })
})

test('deletions are remembered up to a limit; who is further behind cannot be helped', () => {
  const log = new RevisionLog(3)
  log.record('live', 'updated') // revision 1
  for (const id of ['a', 'b', 'c']) log.record(id, 'deleted') // 2, 3, 4
  assert.equal(log.since(0)?.deletedIds.length, 3)
  log.record('d', 'deleted') // 5: a is forgotten, and what came before it
  assert.equal(log.since(1), undefined)
  assert.deepEqual(log.since(2)?.deletedIds, ['b', 'c', 'd'])
  assert.equal(log.size, 3)
  log.record('d', 'created') // still one that was deleted: b is forgotten for e
  log.record('e', 'deleted')
  assert.equal(log.since(2), undefined)
  assert.deepEqual(log.since(3), { deletedIds: ['c', 'd', 'e'], updatedIds: ['d'] })
})

test('the limit is that of the contract', () => {
  const log = new RevisionLog()
  for (let count = 0; count < 4096; count += 1) log.record(`a${count}`, 'deleted')
  assert.equal(log.since(0)?.deletedIds.length, 4096)
  log.record('one more', 'deleted')
  assert.equal(log.since(0), undefined)
  assert.equal(log.size, 4096)
})
