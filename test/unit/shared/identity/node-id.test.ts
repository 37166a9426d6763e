import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeNodeId, encodeNodeId, machineIdOf } from '../../../../shared/identity/node-id.ts'

const ID = 'sou7yy34ykX3n373Zw1DXKb8zD7UnyKT6HT3QDsGH6L'

test('32 bytes are a text of letters and digits, and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const text = encodeNodeId(bytes)
      assert.match(text, /^[A-Za-z0-9]{43,52}$/)
      const decoded = decodeNodeId(text)
      assert.ok(decoded !== undefined)
      // Leading zero bytes may be lost, nothing else.
      assert.equal(
        BigInt(`0x${Buffer.from(decoded).toString('hex')}`),
        BigInt(`0x${Buffer.from(bytes).toString('hex')}`),
      )
    }),
  )
})

test('values that would need a letter more take five bits', () => {
  for (const [hex, text] of [
    ['', ''],
    ['00', 'AA'],
    ['3d', '9A'],
    ['1f', 'fA'],
    ['07de', 'eeB'],
    ['106ea031e0', 'gHDouBB'],
    ['ff', 'fH'],
  ] as const) {
    assert.equal(encodeNodeId(Buffer.from(hex, 'hex')), text)
    assert.equal(Buffer.from(decodeNodeId(text) ?? [1]).toString('hex'), hex)
  }
})

test('the machine id is the first half', () => {
  assert.equal(machineIdOf(ID), 'be871ac0d0dd31fa4caca753b0f3f1b2')
  for (const text of ['', 'AA', `${ID.slice(1)}-`, 'é', 'a b'])
    assert.equal(machineIdOf(text), undefined, text)
})

test('any text is a node id or is not', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 100 }), (text) => {
      assert.equal(decodeNodeId(text) !== undefined, /^[A-Za-z0-9]*$/.test(text))
    }),
  )
})
