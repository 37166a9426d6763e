import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePingRun } from '../../lab/ping.ts'

test('a long ping is summed up, with its longest silence', () => {
  const run = parsePingRun(`PING 198.18.2.2 (198.18.2.2) 56(84) bytes of data.
[1700000000.100000] 64 bytes from 198.18.2.2: icmp_seq=1 ttl=63 time=0.4 ms
[1700000000.200000] 64 bytes from 198.18.2.2: icmp_seq=2 ttl=63 time=0.4 ms
[1700000000.700000] From 198.18.1.1 icmp_seq=3 Destination Host Unreachable
[1700000003.200000] 64 bytes from 198.18.2.2: icmp_seq=4 ttl=63 time=0.4 ms

--- 198.18.2.2 ping statistics ---
5 packets transmitted, 3 received, 40% packet loss, time 3100ms
`)
  assert.deepEqual([run.sent, run.received, run.answeredAtMilliseconds.length], [5, 3, 3])
  assert.deepEqual([run.lost, run.pending], [1, 1])
  assert.equal(Math.round(run.longestSilenceMilliseconds), 3000)
})

test('errors between the counts do not hide them', () => {
  const run = parsePingRun('7 packets transmitted, 0 received, +7 errors, 100% packet loss, time 6100ms\n')
  assert.deepEqual([run.sent, run.received, run.lost, run.pending], [7, 0, 0, 7])
})

test('a ping without a summary is an error', () => {
  assert.throws(() => parsePingRun('PING 198.18.2.2'), /not the output of a ping that ended/)
})
