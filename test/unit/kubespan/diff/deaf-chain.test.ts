import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deafenScript, hearAgainScript } from '../../../../kubespan/diff/deaf-chain.ts'
import type { AddressPort } from '../../../../shared/net/address.ts'
import { placementOf } from '../../../support/desired-states.ts'

test('one transaction drops what comes from these sources, and only to our port', () => {
  const sources = ['203.0.113.7:51820', '[2001:db8::7]:1024', '[fe80::7%eth0]:51820'] as AddressPort[]
  assert.equal(
    deafenScript(placementOf({ listenPort: 51900, nftTable: 'mesh' }), sources),
    `add set inet mesh deaf_v4 { type ipv4_addr . inet_service; flags timeout; timeout 5s; }
flush set inet mesh deaf_v4
add element inet mesh deaf_v4 { 203.0.113.7 . 51820 }
add set inet mesh deaf_v6 { type ipv6_addr . inet_service; flags timeout; timeout 5s; }
flush set inet mesh deaf_v6
add element inet mesh deaf_v6 { 2001:db8::7 . 1024 }
add chain inet mesh kubespan_deaf { type filter hook input priority -300; policy accept; }
flush chain inet mesh kubespan_deaf
add rule inet mesh kubespan_deaf udp dport 51900 ip saddr . udp sport @deaf_v4 drop
add rule inet mesh kubespan_deaf udp dport 51900 ip6 saddr . udp sport @deaf_v6 drop
`,
  )
})

test('another one takes all of it away', () => {
  assert.equal(
    hearAgainScript(placementOf()),
    `delete chain inet openspan kubespan_deaf
delete set inet openspan deaf_v4
delete set inet openspan deaf_v6
`,
  )
})
