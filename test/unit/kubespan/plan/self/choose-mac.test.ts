import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseMac, macOfNodeId } from '../../../../../kubespan/plan/self/choose-mac.ts'
import { encodeNodeId } from '../../../../../shared/identity/node-id.ts'
import { ulaAddress, ulaPrefix } from '../../../../../shared/identity/ula.ts'
import { linkOf } from '../../../../support/links.ts'

test('the physical link whose name sorts first by bytes, up or down', () => {
  const links = [
    linkOf('eth1', [], { mac: '00:00:00:00:00:01' }),
    linkOf('br0', [], { mac: '00:00:00:00:00:02', isPhysical: false }),
    linkOf('eth0', [], { mac: '00:00:00:00:00:03', isUp: false, hasCarrier: false }),
    linkOf('ETH9', [], { mac: '00:00:00:00:00:04' }),
  ]
  assert.equal(chooseMac(links), '00:00:00:00:00:04')
  assert.equal(chooseMac(links.slice(0, 3)), '00:00:00:00:00:03')
  assert.equal(chooseMac(links.slice(1, 2)), undefined)
})

test('without a physical link the node id gives an address that stays', () => {
  const nodeId = encodeNodeId(new Uint8Array(32).fill(0xab))
  const mac = macOfNodeId(nodeId)
  assert.equal(mac, 'ab:ab:ab:ab:ab:ab:ab:ab')
  assert.match(ulaAddress(ulaPrefix('cluster', 2), mac ?? '') ?? '', /:a9ab:abab:abab:abab$/)
  assert.equal(macOfNodeId('not a node id'), undefined)
})

test('a card whose address was made up counts by its permanent one, and any other by the one that is in use', () => {
  const permanentMac = 'a0:36:9f:00:00:01'
  const of = (mac: string, said: Parameters<typeof linkOf>[2] = {}) =>
    chooseMac([linkOf('eth0', [], { mac, permanentMac, ...said })])
  assert.equal(of('5e:11:22:33:44:55'), permanentMac)
  assert.equal(of('02:00:00:00:00:01'), permanentMac)
  assert.equal(of('02:00:00:00:00:01', { masterKind: 'bridge' }), permanentMac)
  assert.equal(of('02:00:00:00:00:01', { masterKind: 'bond' }), '02:00:00:00:00:01', 'given by the bond')
  assert.equal(of('a0:36:9f:00:00:02', { masterKind: 'bond' }), 'a0:36:9f:00:00:02')
  assert.equal(of('00:1b:21:00:00:07'), '00:1b:21:00:00:07', 'given for good')
  assert.equal(of('5e:11:22:33:44:55', { permanentMac: '00:00:00:00:00:00' }), '5e:11:22:33:44:55')
  assert.equal(chooseMac([linkOf('eth0', [], { mac: '52:54:00:12:34:56' })]), '52:54:00:12:34:56')
})
