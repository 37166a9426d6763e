import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Prover, readProofAnswer } from '../../../../../kubespan/sources/discovery/proof.ts'
import { ClusterKey } from '../../../../../shared/affiliate/seal.ts'
import {
  callOf,
  isSigned,
  type Proof,
  readProof,
  SESSION,
  WriteKey,
} from '../../../../../shared/identity/write-key.ts'

const key = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 1).toString('base64')) as ClusterKey)
const MESSAGE = Buffer.from('message')

const proverOf = (plaintext: boolean) =>
  new Prover({ key, clusterId: 'c', authority: 'd.example:443', plaintext, wall: () => 7 })

/** What the proof of a call is for. */
function purpose(prover: Prover, method: string): 'session' | 'call' | undefined {
  const text = prover.proofOf(method, MESSAGE)
  if (text === undefined) return undefined
  const proof = readProof(text) as Proof
  assert.deepEqual([proof.authority, proof.at], ['d.example:443', 7])
  if (isSigned(proof, 'c', SESSION)) return 'session'
  assert.equal(isSigned(proof, 'c', callOf(method, MESSAGE)), true)
  return 'call'
}

test('over TLS Hello vouches for the connection, and nothing else is signed', () => {
  const prover = proverOf(false)
  assert.equal(purpose(prover, 'Hello'), 'session')
  prover.heard('accepted session')
  assert.equal(purpose(prover, 'AffiliateUpdate'), undefined)
  prover.heard(undefined)
  assert.equal(purpose(prover, 'Watch'), undefined, 'a service that does not know of proofs is sent no more')
})

test('where a proxy lies between, which the service says, each call is signed', () => {
  const prover = proverOf(false)
  prover.heard('accepted each')
  assert.equal(purpose(prover, 'Watch'), 'call')
})

test('in plaintext nothing vouches for the connection, whatever the service says', () => {
  const prover = proverOf(true)
  assert.equal(purpose(prover, 'Hello'), 'call')
  prover.heard('accepted session')
  assert.equal(purpose(prover, 'AffiliateDelete'), 'call')
})

test('what a service says of the proof is read, and clipped', () => {
  assert.deepEqual(readProofAnswer('accepted each'), { kind: 'accepted' })
  assert.deepEqual(readProofAnswer('unused session'), { kind: 'unused' })
  assert.deepEqual(readProofAnswer('refused its time\u001b is off'), {
    kind: 'refused',
    why: 'its time is off',
  })
  assert.deepEqual(readProofAnswer(`refused ${'x'.repeat(60_000)}`), {
    kind: 'refused',
    why: 'x'.repeat(200),
  })
  for (const text of [undefined, '', 'anything else']) assert.equal(readProofAnswer(text), undefined)
})
