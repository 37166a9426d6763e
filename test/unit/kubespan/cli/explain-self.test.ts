import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderSelf } from '../../../../kubespan/cli/explain.ts'
import type { OwnAddressView } from '../../../../kubespan/model/own-address.ts'
import type { Address, AddressPort } from '../../../../shared/net/address.ts'

const row = (address: string, said: Partial<OwnAddressView>): OwnAddressView => ({
  address: address as Address,
  from: 'eth0',
  endpoint: null,
  isRouted: false,
  reasons: [],
  ...said,
})

test('a line for each address, and what is not published below', () => {
  const addresses = [
    row('10.0.0.1', { endpoint: '10.0.0.1:51820' as AddressPort, isRouted: true }),
    row('172.17.0.1', { from: 'docker0', reasons: ['link docker0 leads to nobody else'] }),
    row('2001:db8::1', { isRouted: true, reasons: ['deprecated', 'and more'] }),
  ]
  const report = {
    nodename: 'box',
    hostname: 'box',
    addresses,
    leftOut: [],
    warnings: ['3 are not published'],
  }
  assert.equal(
    renderSelf(report, ['no daemon runs']),
    `box: endpoints offered: 1, addresses routed: 2

ADDRESS      FROM     ENDPOINT        ROUTED  WHY NOT
10.0.0.1     eth0     10.0.0.1:51820  yes
172.17.0.1   docker0  -               no      link docker0 leads to nobody else
2001:db8::1  eth0     -               yes     deprecated; and more

note: 3 are not published
note: no daemon runs
`,
  )
})
