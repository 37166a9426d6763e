import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  describeLinkOperation,
  diffLink,
  diffLinkSettings,
  type LinkSettings,
  type LinkView,
  linkArguments,
} from '../../../../kubespan/diff/link.ts'
import { desiredOf } from '../../../support/desired-states.ts'
import { addressOn } from '../../../support/links.ts'

const MESH = 'fd11:2233:4455:6602::1:1/64'
const LOOSE = '169.254.180.1/32'
const good: LinkView = { kind: 'tun', isUp: true, mtuBytes: 1420, addresses: [addressOn(MESH)] }
const settings: LinkSettings = {
  rpFilterAll: 0,
  rpFilterLink: 0,
  disableIpv6: 0,
  forwardingV4: 0,
  forwardingV6: undefined,
}
const commands = (link: LinkView, said: Partial<LinkSettings> = {}): string[] =>
  diffLink(desiredOf([]), link, { ...settings, ...said }).operations.map((operation) =>
    linkArguments('kubespan', operation).join(' '),
  )
const warnings = (said: Partial<LinkSettings>): readonly string[] =>
  diffLink(desiredOf([]), good, { ...settings, ...said }).warnings
const toSet = (desired: Parameters<typeof diffLinkSettings>[0], found: Partial<LinkSettings>): string[] =>
  diffLinkSettings(desired, { ...settings, ...found }).map(({ path, value }) => `${path} ${value}`)

test('a link that is as it should be is left alone', () => {
  assert.deepEqual(commands(good), [])
  assert.deepEqual(warnings({}), [])
})

test('a new link: MTU before it goes up, address after', () => {
  assert.deepEqual(commands({ kind: 'tun', isUp: false, mtuBytes: 1500, addresses: [] }), [
    'link set dev kubespan mtu 1420',
    'link set dev kubespan up',
    `address add ${MESH} dev kubespan nodad`,
  ])
})

test('the same address with another length is in the way, an old one goes after the new one is there', () => {
  const addresses = [addressOn('fd11:2233:4455:6602::1:1/128'), addressOn('fd99:2233:4455:6602::7/64')]
  assert.deepEqual(commands({ ...good, addresses }), [
    'address del fd11:2233:4455:6602::1:1/128 dev kubespan',
    `address add ${MESH} dev kubespan nodad`,
    'address del fd99:2233:4455:6602::7/64 dev kubespan',
  ])
})

test('addresses of others stay', () => {
  const addresses = [
    ...good.addresses,
    addressOn('10.0.0.1/24'),
    addressOn('fe80::1/64', 'link'),
    addressOn('fd00::1/64'),
  ]
  assert.deepEqual(commands({ ...good, addresses }), [])
})

/** all, link: what the link needs, and whether it helps. */
const filters = [
  [0, 0, 'nothing', undefined],
  [2, 0, 'address', undefined],
  [0, 2, 'address', undefined],
  [1, 2, 'address', undefined],
  [1, 0, 'nothing', 'net.ipv4.conf.all.rp_filter'],
  [0, 1, 'nothing', 'net.ipv4.conf.kubespan.rp_filter'],
  [1, 1, 'nothing', 'net.ipv4.conf.all.rp_filter'],
] as const

for (const [rpFilterAll, rpFilterLink, needs, warning] of filters)
  test(`reverse path filtering ${rpFilterAll} for all and ${rpFilterLink} for the link: ${needs}, ${warning ?? 'works'}`, () => {
    assert.deepEqual(
      commands(good, { rpFilterAll, rpFilterLink }),
      needs === 'address' ? [`address add ${LOOSE} dev kubespan scope link`] : [],
    )
    assert.deepEqual(
      warnings({ rpFilterAll, rpFilterLink }).map((text) => text.split(' ')[0]),
      warning === undefined ? [] : [warning],
    )
  })

test('the address for loose filtering goes when it is not needed', () => {
  const addresses = [...good.addresses, addressOn(LOOSE, 'link')]
  assert.deepEqual(commands({ ...good, addresses }), [`address del ${LOOSE} dev kubespan`])
  assert.deepEqual(commands({ ...good, addresses }, { rpFilterAll: 2 }), [])
})

test('without IPv6 there is a warning instead of an address', () => {
  for (const disableIpv6 of [undefined, 1]) {
    const { operations, warnings: said } = diffLink(
      desiredOf([]),
      { ...good, addresses: [] },
      {
        ...settings,
        disableIpv6,
      },
    )
    assert.deepEqual(operations, [])
    assert.match(said.join(), /no IPv6|disable_ipv6 is 1/)
  }
})

test('settings of the link that stand in the way', () => {
  const said = (found: Partial<LinkSettings>) => toSet(desiredOf([]), found)
  assert.deepEqual(said({}), [])
  assert.deepEqual(said({ rpFilterAll: 2, rpFilterLink: 2, disableIpv6: 1 }), [
    'ipv4/conf/kubespan/rp_filter 0',
    'ipv6/conf/kubespan/disable_ipv6 0',
  ])
  assert.deepEqual(said({ rpFilterAll: undefined, rpFilterLink: undefined, disableIpv6: undefined }), [])
})

test('where single links forward, and not all, the link is one of them, of the families that do', () => {
  const forwarding = { sources: [], byLink: [4, 6] as const }
  const found = { forwardingV4: 0, forwardingV6: 0 }
  assert.deepEqual(toSet(desiredOf([]), found), [])
  assert.deepEqual(toSet({ ...desiredOf([]), forwarding: { sources: [] } }, found), [])
  assert.deepEqual(toSet({ ...desiredOf([]), forwarding }, found), [
    'ipv4/conf/kubespan/forwarding 1',
    'ipv6/conf/kubespan/force_forwarding 1',
  ])
  assert.deepEqual(toSet({ ...desiredOf([]), forwarding: { sources: [], byLink: [4] } }, found), [
    'ipv4/conf/kubespan/forwarding 1',
  ])
  const done = { forwardingV4: 1, forwardingV6: undefined }
  assert.deepEqual(toSet({ ...desiredOf([]), forwarding }, done), [])
})

test('changes in the words of an operator', () => {
  const { operations } = diffLink(
    desiredOf([]),
    { ...good, isUp: false, mtuBytes: 1, addresses: [addressOn(LOOSE)] },
    settings,
  )
  const said = [...diffLinkSettings(desiredOf([]), { ...settings, rpFilterLink: 1 }), ...operations].map(
    describeLinkOperation,
  )
  assert.deepEqual(
    said.map(({ action, what, reason }) => `${action} ${what}: ${reason}`),
    [
      'change setting net/ipv4/conf/kubespan/rp_filter: is to be 0',
      'change link mtu: is to be 1420',
      'change link state: was down',
      `add address ${MESH}: missing`,
      `remove address ${LOOSE}: not wanted any more`,
    ],
  )
})
