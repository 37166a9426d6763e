import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AddressBearer,
  type AddressClashes,
  describeClashes,
  MOVES_AFTER,
  planClashes,
  TOLD_FOR,
} from '../../../../../kubespan/plan/members/address-clash.ts'
import type { Address } from '../../../../../shared/net/address.ts'

const SHARED = 'fd00::1' as Address
const bearer = (nodeId: string, said: Partial<AddressBearer> = {}): AddressBearer => ({
  ...{ nodeId, name: `host-${nodeId}`, address: SHARED, isTalos: false, isAlive: true },
  ...{ heardAt: undefined, isNewcomer: false },
  ...said,
})

/** One daemon that looks every half a second. */
class Node {
  readonly id: string
  address = SHARED
  clashes: AddressClashes = new Map()
  movedAt: number | undefined

  constructor(id: string) {
    this.id = id
  }

  look(now: number, others: readonly AddressBearer[]): string[] {
    const own = { nodeId: this.id, name: '', address: this.address }
    const canMove = this.address === SHARED
    const plan = planClashes({ own, canMove, others, before: this.clashes, now })
    this.clashes = plan.clashes
    if (plan.moves) {
      this.movedAt = now
      this.address = `fd00::${this.id}` as Address
    }
    return describeClashes(plan.clashes, { own, others, now }).map(({ says }) => says)
  }
}

/** What two daemons do that see each other; `met` is whom the other one found there when it came. */
function life(met: readonly [boolean, boolean], isTalos = false): readonly [Node, Node] {
  const [a, b] = [new Node('aa'), new Node('bb')]
  for (let now = 0; now < 120_000; now += 500) {
    const [seenA, seenB] = [a.address, b.address]
    a.look(now, [bearer('bb', { address: seenB, isNewcomer: !met[0], isTalos })])
    if (!isTalos) b.look(now, [bearer('aa', { address: seenA, isNewcomer: !met[1] })])
  }
  return [a, b]
}

test('of two with one address the one that came later takes another, and soon', () => {
  const [a, b] = life([false, true])
  assert.deepEqual([a.movedAt, b.movedAt], [undefined, MOVES_AFTER.newcomerAndHigher])
  const [c, d] = life([true, false])
  assert.deepEqual([c.movedAt, d.movedAt], [MOVES_AFTER.newcomerAndLower, undefined])
})

test('where nobody knows who was first exactly one of them does: the higher id', () => {
  for (const met of [true, false]) {
    const [a, b] = life([met, met])
    assert.equal(a.movedAt, undefined)
    assert.ok((b.movedAt ?? Infinity) < 30_000)
  }
})

test('Talos cannot, so this node does, whoever came first', () => {
  for (const met of [true, false])
    assert.equal(life([met, met], true)[0].movedAt, MOVES_AFTER.newcomerAndHigher)
})

test('one that never gives way is given way to within a minute, and nothing is taken back', () => {
  const a = new Node('aa')
  for (let now = 0; now < 60_000; now += 500) a.look(now, [bearer('bb', { isNewcomer: true })])
  assert.equal(a.movedAt, MOVES_AFTER.firstAndLower)
  const { address } = a
  for (let now = 60_000; now < 1_000_000; now += 500) a.look(now, [])
  assert.equal(a.address, address)
})

test('what a machine has left behind that was installed anew is no other node', () => {
  const anew = new Node('bb')
  const left = bearer('aa', { isAlive: false, heardAt: 0 })
  const third = new Node('cc')
  third.address = 'fd00::c' as Address
  for (let now = 0; now < 1_800_000; now += 500) {
    assert.deepEqual(anew.look(now, [left]), [])
    // Elsewhere the old one counts as up until its silence is noticed.
    const up = { ...left, isAlive: now < 275_000 }
    assert.deepEqual(third.look(now, [up, bearer('bb', { heardAt: now })]), [])
  }
  assert.equal(anew.movedAt, undefined)
})

test('a third node tells of it, also when it is over before both were heard, and for a while after', () => {
  const third = new Node('cc')
  third.address = 'fd00::c' as Address
  assert.deepEqual(third.look(0, [bearer('aa', { heardAt: 0 }), bearer('bb')]), [])
  const moved = { address: 'fd00::bb' as Address }
  assert.deepEqual(
    third.look(2_000, [bearer('aa', { heardAt: 0 }), bearer('bb', { ...moved, heardAt: 500 })]),
    [],
  )
  const others = [bearer('aa', { heardAt: 20_000 }), bearer('bb', { ...moved, heardAt: 500 })]
  const told = [
    `host-aa (aa) and host-bb (bb) had the same mesh address ${SHARED}: host-bb (bb) has taken fd00::bb`,
  ]
  assert.deepEqual(third.look(20_000, others), told)
  assert.deepEqual(third.look(TOLD_FOR - 1, others), told)
  assert.deepEqual(third.look(TOLD_FOR, others), [])

  const standing = third.look(700_000, [bearer('aa'), bearer('bb')])
  assert.deepEqual(standing, [])
  const both = [bearer('aa', { heardAt: 700_001 }), bearer('bb', { heardAt: 700_001 })]
  assert.match(
    third.look(700_001, both).join(),
    /^host-aa \(aa\) and host-bb \(bb\) have the same mesh address/,
  )
})
