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
