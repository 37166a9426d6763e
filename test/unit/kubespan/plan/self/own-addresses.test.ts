import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownAddresses } from '../../../../../kubespan/plan/self/own-addresses.ts'
import { linkOf } from '../../../../support/links.ts'

test('the addresses of links that are up, whatever their order, without the mesh', () => {
  const links = [
    linkOf('eth1', ['192.0.2.1/24']),
    linkOf('eth0', ['2001:db8::1/64']),
    linkOf('kubespan', ['fd00::1/64']),
    linkOf('eth2', ['198.51.100.1/24'], { isUp: false }),
  ]
  const text = ownAddresses(links, 'kubespan')
  assert.equal(text, 'eth0 2001:db8::1,eth1 192.0.2.1')
  assert.equal(ownAddresses(links.toReversed(), 'kubespan'), text)
})
