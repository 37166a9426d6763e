import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { checkPair, tlsOptions } from '../../../../discovery/transport/certificate.ts'

const file = (name: string): Buffer => readFileSync(`test/support/tls/${name}`)

test('a pair is what fits together', () => {
  const pair = checkPair([file('one.crt'), file('one.key')])
  assert.deepEqual(pair.cert, file('one.crt'))
  assert.throws(() => checkPair([file('one.crt'), file('two.key')]))
  assert.throws(() => checkPair([file('one.crt'), Buffer.from('no key')]))
  assert.throws(() => checkPair([file('one.crt')]), /two files/)
})

test('both protocols are offered, old TLS is not', () => {
  const options = tlsOptions(checkPair([file('two.crt'), file('two.key')]), 10_000)
  assert.deepEqual(options.ALPNProtocols, ['h2', 'http/1.1'])
  assert.equal(options.minVersion, 'TLSv1.2')
  assert.equal(options.honorCipherOrder, false)
})
