import assert from 'node:assert/strict'
import { test } from 'node:test'
import { demoTopology } from '../../lab/demo-topology.ts'
import { behind, lan, type NatKind, nat, publicHost, topology, whyUnreachable } from '../../lab/topology.ts'

test('a topology refuses names that are used twice, unknown or unfit', () => {
  assert.throws(() => topology({ hosts: [publicHost('a'), publicHost('a')] }), /a: used twice/)
  assert.throws(() => topology({ hosts: [publicHost('wan')] }), /wan: used twice/)
  assert.throws(() => topology({ hosts: [publicHost('far-away')] }), /not a short lower-case name/)
  assert.throws(
    () => topology({ hosts: Array.from({ length: 221 }, (_, i) => publicHost(`h${i}`)) }),
    /more than 220/,
  )
  assert.throws(() => topology({ hosts: [behind('home', 'a')] }), /a: no NAT is called home/)
  assert.throws(
    () => topology({ hosts: [publicHost('a')], lans: [lan('l', 'a', 'b')] }),
    /l: no host is called b/,
  )
})

const pair = (kindA: NatKind, kindB: NatKind, v6 = false): string | undefined => {
  const hosts = [behind('na', 'a'), behind('nb', 'b')]
  const [a, b] = hosts
  assert.ok(a && b)
  return whyUnreachable(topology({ hosts, nats: [nat('na', kindA, { v6 }), nat('nb', kindB, { v6 })] }), a, b)
}

test('which NATs can be brought together over IPv4', () => {
  const table: [NatKind, NatKind, string | undefined][] = [
    ['port-restricted', 'port-restricted', undefined],
    ['port-restricted', 'full-cone', undefined],
    ['full-cone', 'full-cone', undefined],
    ['full-cone', 'symmetric', undefined],
    ['symmetric', 'full-cone', undefined],
    ['port-restricted', 'symmetric', 'symmetric NAT against a port-restricted one'],
    ['symmetric', 'port-restricted', 'symmetric NAT against a port-restricted one'],
    ['symmetric', 'symmetric', 'both behind symmetric NATs'],
  ]
  for (const [a, b, want] of table) assert.equal(pair(a, b), want, `${a} and ${b}`)
  assert.equal(pair('symmetric', 'symmetric', true), undefined, 'IPv6 goes past NATs')
})

test('a LAN, a NAT in common and a public address help; another family does not', () => {
  const [a, b, c] = [behind('n', 'a'), behind('n', 'b'), behind('m', 'c')]
  const [four, six] = [publicHost('four', { families: [4] }), publicHost('six', { families: [6] })]
  const nats = [nat('n', 'symmetric'), nat('m', 'symmetric')]
  const all = topology({ hosts: [a, b, c, four, six], nats, lans: [lan('l', 'b', 'c')] })
  assert.equal(whyUnreachable(all, a, b), undefined)
  assert.equal(whyUnreachable(all, b, c), undefined)
  assert.equal(whyUnreachable(all, a, c), 'both behind symmetric NATs')
  assert.equal(whyUnreachable(all, a, four), undefined)
  assert.equal(whyUnreachable(all, four, six), 'no address family in common')
})

test('the six hosts of the demo can all be brought together, the two more cannot', () => {
  const unreachable = (symmetric: boolean): string[] => {
    const demo = demoTopology({ symmetric })
    return demo.hosts.flatMap((a, at) =>
      demo.hosts
        .slice(at + 1)
        .filter((b) => whyUnreachable(demo, a, b) !== undefined)
        .map((b) => `${a.name}-${b.name}`),
    )
  }
  assert.deepEqual(unreachable(false), [])
  assert.deepEqual(unreachable(true), ['natted-sym1', 'natted-sym2', 'sym1-sym2'])
})
