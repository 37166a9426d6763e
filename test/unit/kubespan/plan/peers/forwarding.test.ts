import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planForwarding } from '../../../../../kubespan/plan/peers/forwarding.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'

const prefixes = (...texts: string[]) => texts as Prefix[]

test('a node speaks for its own addresses and for its pods, advertised or not, and for nobody else', () => {
  const { sources } = planForwarding({
    identity: { address: 'fd00::1' as Address },
    ownAddresses: ['192.0.2.7', '2001:db8::7'] as Address[],
    podCidrs: prefixes('10.244.1.0/24'),
    kubernetesPodCidrs: prefixes('10.244.2.9/24', '10.0.0.0/33'),
    clusterPodCidrs: prefixes('fd10:244::/48'),
    byLink: [],
  })
  assert.deepEqual(sources, [
    '10.244.1.0/24',
    '10.244.2.0/24',
    '192.0.2.7/32',
    '2001:db8::7/128',
    'fd00::1/128',
    'fd10:244::/48',
  ])
})
