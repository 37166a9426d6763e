import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endpointsOf } from '../../../../../kubespan/sources/kubernetes/endpoint-slice.ts'

test('every address with every TCP port', () => {
  assert.deepEqual(
    endpointsOf({
      endpoints: [{ addresses: ['192.0.2.1'] }, { addresses: ['2001:db8::1', 'nonsense'] }, {}],
      ports: [{ port: 6443, protocol: 'TCP' }, { port: 53, protocol: 'UDP' }, { port: null }, { port: 8443 }],
    }),
    ['192.0.2.1:6443', '192.0.2.1:8443', '[2001:db8::1]:6443', '[2001:db8::1]:8443'],
  )
})

test('a slice may have nothing in it', () => {
  assert.deepEqual(endpointsOf({}), [])
  assert.deepEqual(endpointsOf({ endpoints: null, ports: null }), [])
})
