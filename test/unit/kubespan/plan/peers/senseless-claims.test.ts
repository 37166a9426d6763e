import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeConflict, planPeerSpecs } from '../../../../../kubespan/plan/peers/peer-specs.ts'
import { partSenseless } from '../../../../../kubespan/plan/peers/senseless-claims.ts'
import type { Address, Prefix } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const prefixes = (...texts: string[]) => texts as Prefix[]
const own = { mesh: 'fd00::1/128' as Prefix, host: new Set(prefixes('192.0.2.1/32')) }
const senseless = (...texts: string[]) => partSenseless(prefixes(...texts), own).senseless

test('what no machine can have is refused, whole or in part', () => {
  const nobodys = prefixes(
    ...['0.0.0.0/8', '0.1.0.0/16', '127.0.0.0/8', '127.0.0.53/32', '169.254.0.0/16', '169.254.169.254/32'],
    ...['224.0.0.0/4', '224.0.0.0/3', '239.1.2.3/32', '240.0.0.0/4', '255.255.255.255/32'],
    ...['::/128', '::1/128', '::ffff:127.0.0.1/128', 'fe80::/10', 'febf::1/128', 'ff00::/8', 'ff02::1/128'],
  )
  assert.deepEqual(senseless(...nobodys), nobodys)
})

test('what somebody may have is not, nor more than what is nobody’s', () => {
  assert.deepEqual(
    senseless(
      ...[
        '0.0.0.0/0',
        '::/0',
        '0.0.0.0/1',
        '128.0.0.0/1',
        '126.0.0.0/7',
        '169.253.0.0/16',
        '223.255.255.0/24',
      ],
      ...['10.0.0.0/8', '2001:db8::/32', '64:ff9b::/96', 'fd00::/8', 'fec0::/10', '::2/128', 'fd00::2/128'],
    ),
    [],
  )
})

test('our mesh address is nobody else’s, and neither are single addresses of our links', () => {
  const { prefixes: kept, ...parted } = partSenseless(
    prefixes('fd00::1/128', 'fd00::2/128', '192.0.2.1/32', '192.0.2.0/24'),
    own,
  )
  assert.deepEqual(parted, { senseless: ['fd00::1/128'], ours: ['192.0.2.1/32'] })
  assert.deepEqual(kept, ['fd00::2/128', '192.0.2.0/24'])
})

test('a member is not sent what makes no sense, and that is told; what it claims of this host still leaves by no other way', () => {
  const member = affiliateOf({
    nodeId: 'a',
    publicKey: Buffer.alloc(32, 1).toString('base64'),
    address: 'fd00::2' as Address,
    addresses: ['192.0.2.1', '192.0.2.2'] as Address[],
    additionalAddresses: prefixes('169.254.0.0/16', '224.0.0.0/4', 'fd00::1/128', '10.0.0.0/8'),
  })
  const { specs, conflicts, claims } = planPeerSpecs([member], 'local', { own })
  assert.deepEqual(specs[0]?.allowedIps, ['10.0.0.0/8', '192.0.2.2/32', 'fd00::2/128'])
  assert.deepEqual(conflicts.map(describeConflict), [
    'affiliate a claims what no other machine can have, which is refused: 169.254.0.0/16, 224.0.0.0/4, fd00::1/128',
  ])
  assert.ok([...claims.values()].flat().includes('192.0.2.1/32' as Prefix))
})
