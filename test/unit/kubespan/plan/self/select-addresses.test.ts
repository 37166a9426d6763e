import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selectAddresses } from '../../../../../kubespan/plan/self/select-addresses.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { addressOn, flagged, linkOf } from '../../../../support/links.ts'

const nothingElse = { externalAddresses: [], kubernetesNetworks: [] }

test('both lists ascend, IPv4 first, and hold an address once whatever its prefix lengths', () => {
  const links = [
    linkOf('eth1', ['2001:db8::1/64', '10.0.0.9/24']),
    linkOf('eth0', ['10.0.0.10/24', '2001:db8::1/128']),
  ]
  const want = ['10.0.0.9', '10.0.0.10', '2001:db8::1']
  assert.deepEqual(selectAddresses({ links, ...nothingElse }), { current: want, routed: want, dropped: [] })
})

test('each address that is left out is left out for a reason', () => {
  const { current, dropped } = selectAddresses({
    links: [
      linkOf('lo', [addressOn('127.0.0.1/8', 'host'), '127.0.0.2/8'], {
        isPhysical: false,
        hasCarrier: false,
      }),
      linkOf('eth0', [
        addressOn('169.254.180.1/32', 'link'),
        '169.254.1.1/16',
        'fe80::1/64',
        'ff0e::1/128',
        'fd54:616c:6f73:0:204f:5320:444e:531/128',
        addressOn('10.0.0.1/24', 'site'),
        addressOn('10.0.0.2/24', 'nowhere'),
      ]),
      linkOf('eth1', ['10.0.1.1/24'], { isUp: false }),
      linkOf('eth2', ['10.0.2.1/24'], { hasCarrier: false }),
      linkOf('cni0', ['10.244.1.1/24'], { isPhysical: false, hasCarrier: false }),
      linkOf('dummy0', ['10.0.3.1/24'], { isPhysical: false, hasCarrier: false }),
    ],
    externalAddresses: [],
    kubernetesNetworks: ['10.244.0.0/16'] as Prefix[],
  })
  assert.deepEqual(current, ['10.0.0.1', '10.0.3.1'])
  assert.deepEqual(
    dropped.map(({ address, reason }) => `${address}: ${reason}`),
    [
      '127.0.0.1: of scope host',
      '127.0.0.2: loopback',
      '169.254.180.1: of scope link',
      '169.254.1.1: link-local',
      'fe80::1: link-local',
      'ff0e::1: multicast',
      'fd54:616c:6f73:0:204f:5320:444e:531: the host DNS address',
      '10.0.0.2: of scope nowhere',
      '10.0.1.1: link eth1 is down',
      '10.0.2.1: link eth2 has no carrier',
      '10.244.1.1: inside the Kubernetes network 10.244.0.0/16',
    ],
  )
})

test('an external address and a management tunnel are where we can be reached, but not what we route', () => {
  const siderolink = 'fdae:41e4:649b:9303::1'
  const { current, routed } = selectAddresses({
    links: [
      linkOf('eth0', ['10.0.0.1/24']),
      linkOf('siderolink', [`${siderolink}/64`], { isPhysical: false }),
    ],
    externalAddresses: ['203.0.113.1'] as Address[],
    kubernetesNetworks: [],
  })
  assert.deepEqual(current, ['10.0.0.1', '203.0.113.1', siderolink])
  assert.deepEqual(routed, ['10.0.0.1'])
})

test('what may be another machine’s is nowhere, and what ends is no endpoint but still routed', () => {
  const { current, routed, dropped } = selectAddresses({
    links: [
      linkOf('eth0', [
        flagged('2001:db8::1/64', 'tentative', 'dadfailed'),
        flagged('2001:db8::2/64', 'tentative'),
        flagged('2001:db8::3/64', 'tentative', 'optimistic'),
        flagged('2001:db8::4/64', 'deprecated'),
        '2001:db8::5/64',
      ]),
    ],
    ...nothingElse,
  })
  assert.deepEqual(current, ['2001:db8::5'])
  assert.deepEqual(routed, ['2001:db8::4', '2001:db8::5'])
  assert.deepEqual(
    dropped.map(({ address, reason }) => `${address}: ${reason}`),
    [
      '2001:db8::1: another machine on the link has it (dadfailed)',
      '2001:db8::2: whether another machine on the link has it is not known yet (tentative)',
      '2001:db8::3: whether another machine on the link has it is not known yet (tentative)',
      '2001:db8::4: deprecated',
    ],
  )
})

test('a temporary address is an endpoint where no lasting one of its network is beside it, and always routed', () => {
  const temporary = flagged('2001:db8::aa/64', 'temporary')
  const at = (...others: Parameters<typeof linkOf>[1] & object) =>
    selectAddresses({ links: [linkOf('eth0', [temporary, ...others])], ...nothingElse })
  assert.deepEqual(at('2001:db8::1/64').current, ['2001:db8::1'])
  assert.deepEqual(at('2001:db8::1/64').routed, ['2001:db8::1', '2001:db8::aa'])
  assert.deepEqual(at('2001:db8::1/64').dropped, [
    { address: '2001:db8::aa', reason: 'temporary, and 2001:db8::1 beside it lasts' },
  ])
  for (const other of [
    '2001:db8:1::1/64',
    flagged('2001:db8::1/64', 'deprecated'),
    flagged('2001:db8::1/64', 'tentative'),
    flagged('2001:db8::1/64', 'temporary'),
  ])
    assert.ok(at(other).current.includes(temporary.address), JSON.stringify(other))
})
