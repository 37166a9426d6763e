import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { test } from 'node:test'
import type { Prefix } from '../../shared/net/address.ts'
import { peersOf } from '../support/desired-states.ts'
import { bringInLine } from '../support/host-cases.ts'
import {
  a,
  ask,
  askFrom,
  assertNothingInClear,
  counter,
  desiredA,
  ip,
  meshUp,
  NODE_B,
  ORDINARY,
  POD_OF_B,
  SILENCE_MS,
  ULA_B,
  wireHosts,
} from '../support/wired-hosts.ts'

const skip = wireHosts(import.meta.url)

test('node, pod and mesh addresses are reached through the tunnel, and nothing is sent in clear', {
  skip,
}, async () => {
  await meshUp()
  for (const goal of [NODE_B, POD_OF_B, ULA_B]) assert.equal(await ask(goal), 'b', goal)
  assert.equal(await askFrom('pod', POD_OF_B), 'b')
  await assertNothingInClear()
})

test('segments are sized for the tunnel, of this host and of its pods', { skip }, async () => {
  assert.equal(await counter('tall'), 0)
  assert.ok((await counter('clamped')) >= 2)
})

test('without its link, what is for the mesh is dropped; the next pass brings it back', {
  skip,
}, async () => {
  for (const accident of ['link set dev kubespan down', 'link del dev kubespan']) {
    await ip(accident)
    for (const goal of [NODE_B, POD_OF_B, ULA_B])
      assert.notEqual(await ask(goal, ORDINARY, SILENCE_MS / 5), 'b', goal)
    assert.notEqual(await askFrom('pod', POD_OF_B, ORDINARY, SILENCE_MS), 'b')
    await assertNothingInClear()
    await bringInLine(a, desiredA())
    assert.equal(await ask(NODE_B, ORDINARY, 15_000), 'b', `after ${accident}`)
  }
  await assertNothingInClear()
})

test('without a default route, addresses of the mesh are reached all the same', { skip }, async () => {
  await ip(`route del default via ${NODE_B}`)
  try {
    assert.equal(await ask('198.51.100.1', ORDINARY, 300), 'ENETUNREACH')
    await bringInLine(a, desiredA())
    assert.equal(await ask(POD_OF_B), 'b')
    assert.equal(await askFrom('pod', POD_OF_B), 'b')
    assert.equal(await ask('198.51.100.1', ORDINARY, 300), 'ENETUNREACH')
  } finally {
    await ip(`route add default via ${NODE_B}`)
  }
  await bringInLine(a, desiredA())
  assert.equal(await ip('rule show priority 32800'), '')
  await assertNothingInClear()
})

test('while everything changes all the time, nothing is sent in clear', { skip }, async (t) => {
  const socket = createSocket('udp4')
  let sent = 0
  let isOver = false
  const flood = async (): Promise<void> => {
    while (!isOver) {
      for (let packet = 0; packet < 20; packet += 1) {
        sent += 1
        socket.send('x', 9, NODE_B, () => undefined)
      }
      await new Promise((next) => setImmediate(next))
    }
  }
  const flooding = flood()
  try {
    for (let round = 0; round < 25; round += 1) {
      if (round % 10 === 3) await ip('link set dev kubespan down')
      if (round % 10 === 7) await ip('link del dev kubespan')
      const desired = desiredA(peersOf((round * 13) % 50), { mtuBytes: round % 5 === 0 ? 1300 : 1420 })
      // The prefix that holds the goal is replaced by a wider one, and back.
      const routedV4 = desired.routedV4.map((prefix) =>
        prefix === `${NODE_B}/32` && round % 2 === 1 ? (`${NODE_B}/31` as Prefix) : prefix,
      )
      await bringInLine(a, { ...desired, routedV4 })
    }
  } finally {
    isOver = true
    await flooding
    socket.close()
  }
  t.diagnostic(`${sent} packets sent during 25 rounds of changes`)
  assert.ok(sent > 1000)
  await assertNothingInClear()
})
