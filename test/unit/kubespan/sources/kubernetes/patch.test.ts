import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ANNOTATION } from '../../../../../kubespan/sources/kubernetes/annotations.ts'
import { planPatch, planRemoval } from '../../../../../kubespan/sources/kubernetes/patch.ts'

const applied = (
  current: Readonly<Record<string, string>>,
  patch: ReturnType<typeof planPatch>,
): Record<string, string> => {
  const result = { ...current }
  for (const [key, value] of Object.entries(patch?.metadata.annotations ?? {}))
    if (value === null) delete result[key]
    else result[key] = value
  return result
}

test('only what differs is sent; what is empty goes', () => {
  assert.deepEqual(planPatch({ a: '1', b: '2', c: '3' }, { a: '1', b: 'two', c: '', d: '4', e: '' }), {
    metadata: { annotations: { b: 'two', c: null, d: '4' } },
  })
  assert.equal(planPatch({ a: '1' }, { a: '1', b: '' }), undefined)
})

test('a Node without any annotation is one like others', () => {
  for (const current of [undefined, null, {}])
    assert.deepEqual(planPatch(current, { a: '1', b: '' }), { metadata: { annotations: { a: '1' } } })
})

test('a patch leads to what is wanted, leaves the rest alone, and the second run finds nothing', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd')
  const text = fc.constantFrom('', '1', '2')
  fc.assert(
    fc.property(fc.dictionary(key, text), fc.dictionary(key, text), (current, wanted) => {
      const result = applied(current, planPatch(current, wanted))
      assert.equal(planPatch(result, wanted), undefined)
      for (const [name, value] of Object.entries(wanted))
        assert.equal(result[name], value === '' ? undefined : value)
      for (const [name, value] of Object.entries(current))
        if (!(name in wanted)) assert.equal(result[name], value)
    }),
  )
})

test('removal takes our keys and no others', () => {
  const all = Object.fromEntries(Object.values(ANNOTATION).map((key) => [key, 'x']))
  const current = { ...all, [ANNOTATION.nodeId]: 'me', other: 'stays' }
  assert.deepEqual(applied(current, planRemoval(current, 'me')), { other: 'stays' })
  assert.equal(planRemoval({ other: 'stays' }, 'me'), undefined)
  assert.equal(planRemoval(null, 'me'), undefined)
})

test('what another identity says is not ours to remove', () => {
  assert.equal(planRemoval({ [ANNOTATION.nodeId]: 'you', [ANNOTATION.addresses]: 'x' }, 'me'), undefined)
})
