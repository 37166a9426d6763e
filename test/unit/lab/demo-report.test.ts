import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { renderProof, type Traffic } from '../../lab/demo-report.ts'
import type { Matrix } from '../../lab/matrix.ts'
import { PACKET_KINDS, type WanCounts } from '../../lab/wan-watch.ts'

const counts = (packets: Partial<Record<(typeof PACKET_KINDS)[number], number>>): WanCounts =>
  Object.fromEntries(
    PACKET_KINDS.map((kind) => [kind, { packets: packets[kind] ?? 0, bytes: 0 }]),
  ) as WanCounts
const matrix: Matrix = {
  title: 'x',
  names: ['a', 'b'],
  cells: [
    [[], [{ address: '10.0.0.1', roundTripMilliseconds: 1 }]],
    [[{ address: '10.0.0.2', roundTripMilliseconds: 1 }], []],
  ],
}
const traffic: Traffic = {
  sentBytes: 512,
  wan: counts({ initiation: 1, response: 1, data: 4, discovery: 9 }),
  leaks: [],
}

const nothing = (): undefined => undefined

test('pairs that cannot reach each other are not asked for', () => {
  const { text } = renderProof(traffic, [matrix], (from) => (from === 'b' ? 'no way' : undefined))
  assert.match(stripVTControlCharacters(text), /echo requests answered +1 of 1\n/)
})

test('the proof holds when WireGuard sent enough and nothing went in clear', () => {
  const { text, holds } = renderProof(traffic, [matrix], nothing)
  assert.ok(holds)
  const plain = stripVTControlCharacters(text)
  assert.match(plain, /echo requests answered +2 of 2\n/)
  assert.match(plain, /WireGuard +6 packets\n +1 initiations, 1 responses, 4 data\n/)
  assert.match(plain, /in clear +0 packets ok\n/)
})

test('it does not hold when a packet went in clear, and names who', () => {
  const leaks = [{ from: '198.18.1.2', to: '198.18.2.2', protocol: 'icmp', packets: 1, bytes: 84 }]
  const { text, holds } = renderProof(
    { ...traffic, wan: counts({ data: 4, other: 1 }), leaks },
    [matrix],
    nothing,
  )
  assert.ok(!holds)
  assert.match(stripVTControlCharacters(text), /198\.18\.1\.2 to 198\.18\.2\.2, icmp: 1/)
})

test('it does not hold when WireGuard sent less than was answered, or nothing was', () => {
  assert.ok(!renderProof({ ...traffic, sentBytes: 511 }, [matrix], nothing).holds)
  assert.ok(!renderProof(traffic, [], nothing).holds)
})
