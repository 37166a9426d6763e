import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeCandidates } from '../../../../../kubespan/controllers/paths/candidates.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { settingsOf } from '../../../../support/doctor-facts.ts'

const endpoints = ['192.168.7.7:51820', '203.0.113.7:51820', '127.0.0.1:1'] as AddressPort[]
const context = (node = '') => ({
  links: [],
  meshSubnet: 'fd00::/64' as Prefix,
  settings: settingsOf('', node),
})

test('candidates stand in the order in which they are tried, with what kind of place each is', () => {
  const status = { lastWorked: undefined, endpoint: '198.51.100.1:4000' as AddressPort }
  assert.deepEqual(describeCandidates({ endpoints }, status, context()), [
    { endpoint: '203.0.113.7:51820', kind: 'public IPv4' },
    { endpoint: '198.51.100.1:4000', kind: 'observed' },
    { endpoint: '192.168.7.7:51820', kind: 'private elsewhere' },
    { endpoint: '127.0.0.1:1', kind: '', notTried: 'it is no host' },
  ])
})

test('what worked on this network comes before what did not', () => {
  const lastWorked = '192.168.7.7:51820' as AddressPort
  const [best] = describeCandidates({ endpoints }, { endpoint: undefined, lastWorked }, context())
  assert.deepEqual(best, { endpoint: lastWorked, kind: 'worked last' })
})

test('by turns they are tried as they are announced', () => {
  assert.deepEqual(
    describeCandidates({ endpoints }, undefined, context(', racing: {enabled: false}')).map(
      ({ endpoint }) => endpoint,
    ),
    endpoints,
  )
})
