import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PeerJudge } from '../../../../discovery/transport/peer-judge.ts'
import type { Prefix } from '../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../shared/net/prefix-set.ts'

type Stream = Parameters<PeerJudge['addressOf']>[0]

/** A connection that counts how often it is asked for its address. */
function connection(remoteAddress: string): { stream: Stream; asked: () => number } {
  let asked = 0
  const socket = {
    get remoteAddress(): string {
      asked += 1
      return remoteAddress
    },
  }
  return { stream: { session: { socket } } as unknown as Stream, asked: () => asked }
}

test('a connection is judged once; what it forwards is believed or warned of', () => {
  const warnings: string[] = []
  const judge = new PeerJudge({
    trustedProxies: PrefixSet.of(['127.0.0.0/8' as Prefix]),
    trust: { 'x-real-ip': true, 'x-forwarded-for': true },
    onIgnored: (warning) => warnings.push(warning),
  })
  const forwarded = [{ 'x-real-ip': '203.0.113.5' }, ['x-real-ip', '203.0.113.5']] as const
  const proxy = connection('127.0.0.1')
  const stranger = connection('192.0.2.1')
  for (let n = 0; n < 3; n++) {
    assert.equal(judge.addressOf(proxy.stream, ...forwarded), '203.0.113.5')
    assert.equal(judge.addressOf(stranger.stream, ...forwarded), '192.0.2.1')
  }
  assert.equal(judge.addressOf(stranger.stream, {}, []), '192.0.2.1')
  assert.deepEqual([proxy.asked(), stranger.asked()], [1, 1])
  assert.equal(warnings.length, 1)
  assert.equal(judge.ignoredHeaders, 3)
  assert.equal(
    judge.addressOf({ session: undefined }, ...forwarded),
    undefined,
    'the connection is gone already',
  )
})
