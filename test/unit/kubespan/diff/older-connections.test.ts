import assert from 'node:assert/strict'
import { test } from 'node:test'
import { olderConnectionsScript, parseAccepted } from '../../../../kubespan/diff/older-connections.ts'
import type { Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'

const LISTEN = '0A'
const row = (local: string, remote: string, state: string): string =>
  `   0: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n`
const HEAD =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
/** 192.0.2.1:3000 and 192.0.2.2:40000 */
const [OURS, THEIRS] = ['010200C0:0BB8', '020200C0:9C40']
const ANY = '00000000:0000'
const MAPPED = '0000000000000000FFFF0000'
const V6 = 'B80D0120000000000000000002000000'

test('connections to ports that somebody listens at are accepted ones, in both families', () => {
  const text =
    HEAD +
    row('00000000:0BB8', ANY, LISTEN) +
    row(OURS, THEIRS, '01') +
    HEAD +
    row(`${MAPPED}010200C0:0BB8`, `${MAPPED}030200C0:9C41`, '08') +
    row(`${V6}:0BB8`, `${V6}:9C42`, '01')
  assert.deepEqual(parseAccepted(text), [
    { localPort: 3000, remotePort: 40000, remote: '192.0.2.2' },
    { localPort: 3000, remotePort: 40001, remote: '192.0.2.3' },
    { localPort: 3000, remotePort: 40002, remote: '2001:db8::2' },
  ])
})

test('who only began to call, has ended, or is called by us, is none', () => {
  assert.deepEqual(parseAccepted(row(OURS, THEIRS, '01')), [], 'nobody listens')
  for (const state of ['02', '03', '04', '05', '06', '07', '09', '0A', '0B', '0C'])
    assert.deepEqual(parseAccepted(row('00000000:0BB8', ANY, LISTEN) + row(OURS, THEIRS, state)), [], state)
  assert.deepEqual(parseAccepted(''), [])
  assert.deepEqual(parseAccepted(row('00000000:0BB8', ANY, LISTEN) + row(OURS, 'C0:9C40', '01')), [])
})

test('only connections to those ports, and from nobody who was heard through the tunnel', () => {
  const connections = parseAccepted(
    row('00000000:0BB8', ANY, LISTEN) +
      row('00000000:0FA0', ANY, LISTEN) +
      row(OURS, THEIRS, '01') +
      row(OURS, '030200C0:9C40', '01') +
      row('010200C0:0FA0', THEIRS, '01') +
      row(`${V6}:0BB8`, `${V6}:9C42`, '01'),
  )
  const script = (ports: readonly number[], heard: readonly string[]): string =>
    olderConnectionsScript({ nftTable: 'openspan' }, connections, ports, PrefixSet.of(heard as Prefix[]))
  assert.equal(
    script([3000], ['192.0.2.3/32']),
    'add element inet openspan older_v4 { 192.0.2.2 . 40000 . 3000 }\n' +
      'add element inet openspan older_v6 { 2001:db8::2 . 40002 . 3000 }\n',
  )
  assert.equal(script([3000], ['0.0.0.0/0', '2001:db8::/32']), '')
  assert.equal(script([], []), '')
})
