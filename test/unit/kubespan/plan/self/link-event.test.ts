import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeLinks } from '../../../../../kubespan/plan/self/judge-links.ts'
import { type LinkEventInput, mayMatter } from '../../../../../kubespan/plan/self/link-event.ts'
import { addressOn, linkOf } from '../../../../support/links.ts'

const judgement = { linkFilters: [], ownLinkName: 'kubespan' }
const virtual = { isPhysical: false }
const links = judgeLinks(
  [
    linkOf('eth0', ['192.0.2.1/24']),
    linkOf('eth1'),
    linkOf('br0', ['10.0.0.1/24'], virtual),
    linkOf('br1', [addressOn('fe80::1/64', 'link')], virtual),
    linkOf('docker0', ['172.17.0.1/16'], virtual),
    linkOf('wg0', ['10.9.0.1/24'], { ...virtual, hasDefaultRoute: true }),
    linkOf('ppp0', [], { ...virtual, hasDefaultRoute: true }),
  ],
  judgement,
)

const cases: readonly (readonly [string, Partial<LinkEventInput>, boolean])[] = [
  ['eth0', {}, true],
  ['eth1', {}, true],
  ['br0', {}, true],
  ['wg0', {}, true],
  ['ppp0', {}, true],
  ['br1', {}, false],
  ['br1', { isAddress: true }, true],
  ['docker0', {}, false],
  ['docker0', { isAddress: true }, true],
  ['veth1a2b', { isPaired: true }, false],
  ['veth1a2b', { isAddress: true }, true],
  ['tmp7', { isPaired: true }, false],
  ['tmp7', { isPaired: true, isAddress: true }, true],
  ['enp9s0', {}, true],
]

for (const [name, said, matters] of cases)
  test(`${name} ${JSON.stringify(said)} ${matters ? 'may matter' : 'does not matter'}`, () =>
    assert.equal(mayMatter({ name, isPaired: false, isAddress: false, ...said }, links, judgement), matters))
