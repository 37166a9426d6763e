import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownAddresses } from '../../../../../kubespan/plan/self/own-addresses.ts'
import { flagged, linkOf } from '../../../../support/links.ts'

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

test('an address counts from when the kernel uses it, and as long as it does', () => {
  const at = (...flags: Parameters<typeof flagged>[1][]) =>
    ownAddresses([linkOf('eth0', [flagged('2001:db8::1/64', ...flags)])], 'kubespan')
  for (const flag of ['tentative', 'optimistic', 'dadfailed'] as const) assert.equal(at(flag), '')
  for (const flag of ['deprecated', 'temporary'] as const) assert.equal(at(flag), 'eth0 2001:db8::1')
})

test('links that lead to nobody else may come and go', () => {
  const links = [
    linkOf('eth0', ['192.0.2.1/24']),
    linkOf('docker0', ['172.17.0.1/16'], { leadsNowhere: 'by name' }),
  ]
  assert.equal(ownAddresses(links, 'kubespan'), 'eth0 192.0.2.1')
})
