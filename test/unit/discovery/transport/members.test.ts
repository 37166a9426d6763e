import assert from 'node:assert/strict'
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import { test } from 'node:test'
import type { ClusterKeyState } from '../../../../discovery/store/store.ts'
import { Members, PROOF_HEADER, type ProvenCall } from '../../../../discovery/transport/members.ts'
import type { MethodName } from '../../../../discovery/transport/observe.ts'
import { ClusterKey } from '../../../../shared/affiliate/seal.ts'
import { callOf, SESSION, WriteKey } from '../../../../shared/identity/write-key.ts'

const key = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 1).toString('base64')) as ClusterKey)
const MESSAGE = Buffer.from('message')
const AUTHORITY = 'd.example:443'

interface Over {
  readonly isOfProxy?: boolean
  readonly listed?: string
  readonly known?: ClusterKeyState | { readonly kind: 'unavailable' }
}

const membersWith = ({ isOfProxy = false, listed, known = { key: undefined, exists: false } }: Over = {}) =>
  new Members({
    wall: () => 1000,
    names: () => ({ given: ['d.example'], certified: undefined }),
    isOfProxy: () => isOfProxy,
    listedKey: () => listed,
    keyOf: () => known,
  })

const connection = (encrypted: boolean): ServerHttp2Stream =>
  ({ session: { encrypted } }) as unknown as ServerHttp2Stream

function callOn(members: Members, stream: ServerHttp2Stream, method: MethodName, what?: string): ProvenCall {
  const proof = what && key.prove({ clusterId: 'c', authority: AUTHORITY, at: 1000, what })
  const headers: IncomingHttpHeaders = { ':authority': AUTHORITY, ...(proof && { [PROOF_HEADER]: proof }) }
  return { method, stream, proof: members.proofOf(stream, headers), proofProblem: undefined }
}

const keyOf = (members: Members, call: ProvenCall, clusterId = 'c'): string | undefined =>
  members.keyOf(call, clusterId, Buffer.concat([Buffer.alloc(5), MESSAGE]), 5)

test('over TLS the proof of Hello stands for the connection, for its cluster, and for no other connection', () => {
  const members = membersWith()
  const stream = connection(true)
  assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate')), undefined, 'before it')
  assert.equal(keyOf(members, callOn(members, stream, 'Hello', SESSION)), key.publicKey)
  assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate')), key.publicKey)
  assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate'), 'd'), undefined)
  assert.equal(keyOf(members, callOn(members, connection(true), 'AffiliateUpdate')), undefined)
})

for (const [name, encrypted, isOfProxy] of [
  ['in plaintext', false, false],
  ['through a proxy, which others share', true, true],
] as const)
  test(`${name} each call has a proof of its own`, () => {
    const members = membersWith({ isOfProxy })
    const stream = connection(encrypted)
    assert.equal(keyOf(members, callOn(members, stream, 'Hello', SESSION)), key.publicKey)
    assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate')), undefined)
    const what = callOf('AffiliateUpdate', MESSAGE)
    assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate', what)), key.publicKey)
    assert.equal(keyOf(members, callOn(members, stream, 'AffiliateDelete', what)), undefined)
    assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate', SESSION)), undefined)
  })

test('what was sent in plaintext opens no connection over TLS', () => {
  const members = membersWith()
  const stream = connection(true)
  assert.equal(keyOf(members, callOn(members, stream, 'Hello', callOf('Hello', MESSAGE))), undefined)
  assert.equal(keyOf(members, callOn(members, stream, 'AffiliateUpdate')), undefined)
})

const answers: { over: Over; encrypted?: boolean; want: string; why: string }[] = [
  { over: {}, want: 'accepted session', why: 'a cluster that is not there will have its key' },
  { over: {}, encrypted: false, want: 'accepted each', why: 'each call wants its own' },
  { over: { known: { key: key.publicKey, exists: true } }, want: 'accepted session', why: 'the key is its' },
  { over: { known: { key: undefined, exists: true } }, want: 'unused session', why: 'it has none' },
  { over: { known: { kind: 'unavailable' } }, want: 'unused session', why: 'nobody can say' },
  {
    over: { listed: key.publicKey, known: { key: 'x', exists: true } },
    want: 'accepted session',
    why: 'the list wins',
  },
  {
    over: { known: { key: 'x', exists: true } },
    want: 'refused it is of another write key than the cluster has here',
    why: 'another was first',
  },
  {
    over: { listed: 'x' },
    want: 'refused it is of another write key than the cluster has here',
    why: 'the list says another',
  },
]
for (const { over, encrypted = true, want, why } of answers)
  test(`Hello is answered "${want.slice(0, 16)}": ${why}`, async () => {
    const members = membersWith(over)
    const call = callOn(members, connection(encrypted), 'Hello', SESSION)
    assert.equal(await members.answerTo(call, 'c', keyOf(members, call)), want)
  })

test('Hello says why a proof does not count', async () => {
  const members = membersWith()
  const call = callOn(members, connection(true), 'Hello', 'another purpose')
  assert.equal(await members.answerTo(call, 'c', keyOf(members, call)), 'refused its signature is not right')
})
