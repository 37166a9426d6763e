import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FilterLog } from '../../../../kubespan/controllers/filter-log.ts'
import type { PeerSpec } from '../../../../kubespan/model/peer.ts'
import type { Address, AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { affiliateOf } from '../../../support/affiliates.ts'
import { settingsOf } from '../../../support/settings.ts'

const spec: PeerSpec = {
  publicKey: 'key',
  nodeId: 'node-2',
  label: 'w2',
  address: 'fd00::2' as Address,
  allowedIps: [],
  endpoints: ['192.0.2.9:51820', '198.51.100.9:51820'] as AddressPort[],
}

function world(level: string) {
  const lines: string[] = []
  const log = new FilterLog({
    info() {},
    warn() {},
    isLevelEnabled: (asked) => asked === level,
    debug: (fields, message) => void lines.push(`${message} ${JSON.stringify(fields)}`),
  })
  const tell = (node = ''): void =>
    log.tell({
      dropped: [{ address: 'fe80::1' as Address, reason: 'reaches nobody else' }],
      specs: [spec],
      statuses: new Map(),
      retained: [
        {
          affiliate: affiliateOf({
            nodeId: 'node-2',
            excludeAdvertisedNetworks: ['10.8.0.0/16'] as Prefix[],
          }),
          unconfirmedUntil: undefined,
          soleClaims: [],
        },
      ],
      links: [],
      identity: { subnet: 'fd00::/64' as Prefix },
      settings: settingsOf(node),
    })
  return { lines, tell }
}

test('every decision is a line once, and another one when it ends', () => {
  const { lines, tell } = world('debug')
  tell('filters: {deniedRanges: [192.0.2.0/24]}')
  assert.equal(lines.length, 3)
  const text = lines.join('\n')
  assert.match(text, /^filtered .*"own address, not announced","address":"fe80::1"/m)
  assert.match(
    text,
    /^filtered .*"endpoint, not tried","peer":"w2","endpoint":"192\.0\.2\.9:51820","reason":"[^"]+"/m,
  )
  assert.match(text, /^filtered .*"network, not routed","peer":"node-2","network":"10\.8\.0\.0\/16"/m)
  tell('filters: {deniedRanges: [192.0.2.0/24]}')
  assert.equal(lines.length, 3)
  tell()
  assert.match(lines[3] ?? '', /^no longer filtered .*192\.0\.2\.9/)
})

test('above debug nothing is even looked at', () => {
  const { lines, tell } = world('info')
  tell()
  assert.deepEqual(lines, [])
})
