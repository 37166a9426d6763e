import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { ClusterKey } from '../../../../shared/affiliate/seal.ts'
import {
  callOf,
  isPublicWriteKey,
  isSigned,
  type Proof,
  readProof,
  SESSION,
  WriteKey,
} from '../../../../shared/identity/write-key.ts'

/** 00 01 02 … 1f. */
const SECRET = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString('base64')
const secretKey = ClusterKey.fromSecret(SECRET) as ClusterKey
const key = WriteKey.of(secretKey)
const CLAIM = {
  clusterId: 'cluster',
  authority: 'discovery.example:443',
  at: 1_700_000_000_000,
  what: SESSION,
}

test('the write key and its signatures are those that another implementation makes of the secret', () => {
  // Made with Python: HMAC for HKDF (RFC 5869), and cryptography's Ed25519.
  assert.equal(
    secretKey.derive('openspan write key 1', 32).toString('hex'),
    '1fd68abf29dbe954a683e64d085e7a1974d5f8ad55825d237f03cdde92442b82',
  )
  assert.equal(key.publicKey, 'cCZ4Kn12GDCTatQ/R4S+STWbLoAp0fRVI1efXA+gM9g=')
  assert.equal(
    key.prove(CLAIM),
    `1 1700000000000 discovery.example:443 ${key.publicKey} +6n+fUB03vu1KkQ9dIWSQqpHimuKZbR44y7RYjbUWhpbFLIiHJLdOX+aeoq6uE9fGW0CkW2J5V0h/GAjK+MRCw==`,
  )
})

test('a proof holds for its cluster, service, time and purpose, and for no other', () => {
  const proof = readProof(key.prove(CLAIM)) as Proof
  assert.equal(isSigned(proof, 'cluster', SESSION), true)
  assert.equal(isSigned(proof, 'another', SESSION), false)
  assert.equal(isSigned(proof, 'cluster', callOf('AffiliateUpdate', Buffer.of(1))), false)
  assert.equal(isSigned({ ...proof, authority: 'other.example:443' }, 'cluster', SESSION), false)
  assert.equal(isSigned({ ...proof, at: proof.at + 1 }, 'cluster', SESSION), false)
  const other = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 9).toString('base64')) as ClusterKey)
  assert.equal(isSigned({ ...proof, publicKey: other.publicKey }, 'cluster', SESSION), false)
})

test('a proof of a call holds for its method and message', () => {
  const what = callOf('AffiliateDelete', Buffer.from('message'))
  const proof = readProof(key.prove({ ...CLAIM, what })) as Proof
  assert.equal(isSigned(proof, 'cluster', callOf('AffiliateDelete', Buffer.from('message'))), true)
  assert.equal(isSigned(proof, 'cluster', callOf('AffiliateDelete', Buffer.from('Message'))), false)
  assert.equal(isSigned(proof, 'cluster', callOf('AffiliateUpdate', Buffer.from('message'))), false)
})

test('what is no proof is none, whatever it is', () => {
  const good = key.prove(CLAIM)
  const bad = ['', '1', good.slice(0, -1), `2${good.slice(1)}`, ` ${good}`, good.replace('discovery', ' ')]
  for (const text of [...bad, 'x'.repeat(1e6), good.replace(key.publicKey, `${'A'.repeat(42)}B=`)])
    assert.equal(readProof(text), undefined, text.slice(0, 80))
})

test('a key that is no point of the curve has signed nothing', () => {
  const proof = readProof(key.prove(CLAIM)) as Proof
  assert.equal(isSigned({ ...proof, publicKey: `${'/'.repeat(42)}8=` }, 'cluster', SESSION), false)
})

test('no way of printing the key shows it', () => {
  const { privateKey } = { privateKey: secretKey.derive('openspan write key 1', 32) }
  for (const text of [String(key), JSON.stringify(key), inspect(key)]) {
    assert.equal(text.includes('redacted'), true)
    assert.equal(text.includes(privateKey.toString('base64')), false)
  }
})

test('a public write key is 32 bytes in base64', () => {
  assert.equal(isPublicWriteKey(key.publicKey), true)
  for (const text of ['', 'members-only', key.publicKey.slice(1), `${key.publicKey}=`, 'a'.repeat(64)])
    assert.equal(isPublicWriteKey(text), false, text)
})
