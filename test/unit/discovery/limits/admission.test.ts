import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AdmissionOptions, ClusterAdmission } from '../../../../discovery/limits/admission.ts'
import { AllowedClusters } from '../../../../discovery/limits/allowed-clusters.ts'
import { MemoryClaims } from '../../../../discovery/limits/claims.ts'
import type { Address } from '../../../../shared/net/address.ts'

const A = '192.0.2.1' as Address
const B = '192.0.2.2' as Address

interface World {
  readonly admission: ClusterAdmission
  readonly claims: MemoryClaims
  readonly existing: Set<string>
  readonly create: (id: string, address?: Address) => string | undefined
}

function world(over: Partial<AdmissionOptions> = {}): World {
  const existing = new Set<string>()
  const claims = new MemoryClaims((id) => existing.has(id))
  const admission = new ClusterAdmission({
    maxClustersPerAddress: 0,
    claims,
    isMemoryShort: () => false,
    ...over,
  })
  return {
    admission,
    claims,
    existing,
    create: (id, address) => {
      const refusal = admission.newCluster(id, address)
      assert.ok(!(refusal instanceof Promise))
      if (refusal === undefined) existing.add(id)
      return refusal?.kind
    },
  }
}

test('by default everybody may do everything', () => {
  const { admission, create } = world()
  assert.equal(admission.cluster('any'), undefined)
  for (let n = 0; n < 1000; n++) assert.equal(create(`c${n}`, A), undefined)
})

test('without memory no cluster comes to life', () => {
  let isShort = true
  const { create } = world({ isMemoryShort: () => isShort })
  assert.equal(create('c', A), 'crowded')
  isShort = false
  assert.equal(create('c', A), undefined)
})

test('each address may bring so many clusters to life, and more when some have gone', () => {
  const { create, existing, claims } = world({ maxClustersPerAddress: 2 })
  assert.deepEqual(
    ['one', 'two', 'three'].map((id) => create(id, A)),
    [undefined, undefined, 'crowded'],
  )
  assert.equal(create('three', B), undefined)
  assert.equal(create('four', undefined), undefined, 'who has no address is not counted')
  assert.equal(create('two', A), undefined, 'asked again for the same')
  existing.delete('one')
  assert.equal(create('five', A), undefined)
  assert.equal(create('six', A), 'crowded')
  existing.clear()
  claims.sweep()
  assert.equal(create('six', A), undefined)
})

test('a /64 counts as one address', () => {
  const { create } = world({ maxClustersPerAddress: 1 })
  assert.equal(create('one', '2001:db8::1' as Address), undefined)
  assert.equal(create('two', '2001:db8::ffff:1' as Address), 'crowded')
  assert.equal(create('two', '2001:db8:0:1::1' as Address), undefined)
})

test('a list shuts out all others, until there is another list or none', () => {
  const { admission } = world()
  admission.allowOnly(new AllowedClusters('one\n', () => ''))
  assert.equal(admission.cluster('one'), undefined)
  assert.equal(admission.cluster('two')?.kind, 'forbidden')
  admission.allowOnly(undefined)
  assert.equal(admission.cluster('two'), undefined)
})

test('where claims are kept elsewhere, the answer comes later, or not at all', async () => {
  for (const [claimed, want] of [
    [true, undefined],
    [false, 'crowded'],
    [{ kind: 'unavailable' }, 'unavailable'],
  ] as const) {
    const { admission } = world({ maxClustersPerAddress: 1, claims: { claim: async () => claimed } })
    assert.equal((await admission.newCluster('one', A))?.kind, want)
  }
})

test('members-only serves who proves the key, and tells the others why not', () => {
  const KEY = 'cCZ4Kn12GDCTatQ/R4S+STWbLoAp0fRVI1efXA+gM9g='
  const { admission } = world()
  admission.allowOnly(new AllowedClusters(`one ${KEY} members-only\ntwo ${KEY}`, () => ''))
  const whyNot = (key: string | undefined, problem?: string): unknown => {
    const refusal = admission.cluster('one', { key, problem })
    return refusal?.kind === 'unproven' ? refusal.what.split(': ')[1] : refusal
  }
  assert.equal(whyNot(KEY), undefined)
  assert.equal(whyNot(undefined), 'the call has none')
  assert.equal(whyNot(undefined, 'its signature is not right'), 'its signature is not right')
  assert.equal(whyNot('another'), 'it is of another write key')
  assert.equal(admission.cluster('two'), undefined)
  assert.deepEqual([admission.keyOf('two'), admission.keyOf('three')], [KEY, undefined])
})
