import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isUlaOfPurpose, ULA_PURPOSE, ulaAddress, ulaPrefix } from '../../../../shared/identity/ula.ts'
import type { Address } from '../../../../shared/net/address.ts'

const KUBESPAN = ulaPrefix('test', ULA_PURPOSE.kubespan)

test('a cluster id and a purpose make a /64', () => {
  assert.equal(KUBESPAN, 'fdbf:4f1b:2b0b:8202::/64')
  assert.equal(ulaPrefix('test', ULA_PURPOSE.virtualSiderolink), 'fdbf:4f1b:2b0b:8204::/64')
  assert.equal(ulaPrefix('кластер-1', ULA_PURPOSE.kubespan), 'fdf1:309d:e94:ba02::/64')
})

test('a MAC of six or eight bytes makes an address in it', () => {
  assert.equal(ulaAddress(KUBESPAN, '52:54:00:12:34:56'), 'fdbf:4f1b:2b0b:8202:5054:ff:fe12:3456')
  assert.equal(ulaAddress(KUBESPAN, 'FF:FF:FF:FF:FF:FF'), 'fdbf:4f1b:2b0b:8202:fdff:ffff:feff:ffff')
  assert.equal(ulaAddress(KUBESPAN, '02:00:5e:10:00:00:00:01'), 'fdbf:4f1b:2b0b:8202:0:5e10:0:1')
  for (const mac of ['', '00', '00:11:22:33:44:55:66', '001122334455', '0:1:2:3:4:5', '00:11:22:33:44:5g'])
    assert.equal(ulaAddress(KUBESPAN, mac), undefined, mac)
})

test('a purpose is seen in addresses of any cluster', () => {
  for (const [address, isKubeSpan] of [
    ['fd00:0:0:2::1', true],
    ['fd12:3456:789a:bc02::1', true],
    ['fc12:3456:789a:bc02::1', false],
    ['fd12:3456:789a:bc03::1', false],
    ['253.0.0.1', false],
  ] as const)
    assert.equal(isUlaOfPurpose(address as string as Address, ULA_PURPOSE.kubespan), isKubeSpan, address)
})
