import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import type { RawAffiliate } from '../../../../../kubespan/model/affiliate.ts'
import { mergeAffiliates } from '../../../../../kubespan/plan/members/merge-affiliates.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import type { Address, AddressPort } from '../../../../../shared/net/address.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

/** JSON has no undefined. */
const revive = (_key: string, value: unknown) => (value === null ? undefined : value)
const plain = (affiliate: Affiliate | undefined): unknown => JSON.parse(JSON.stringify(affiliate))

interface Case {
  name: string
  raw: RawAffiliate[]
  merged: Affiliate
}

test('recorded merges', () => {
  const { cases } = JSON.parse(readFileSync('test/vectors/affiliate-merge.json', 'utf8'), revive) as {
    cases: Case[]
  }
  for (const { name, raw, merged } of cases) {
    // The reference loses the operating system when the base has none (SPEC 9, N11).
    const operatingSystem = raw.map(({ affiliate }) => affiliate.operatingSystem).find((text) => text !== '')
    assert.deepEqual(
      mergeAffiliates(raw).map(plain),
      [plain({ ...merged, operatingSystem: merged.operatingSystem || (operatingSystem ?? '') })],
      name,
    )
  }
})

test('grouped by the node id inside, whatever the raw id says; sorted by bytes', () => {
  const raw = ['b', 'a', 'B'].map((nodeId) => ({
    rawId: `service/${nodeId}`,
    affiliate: affiliateOf({ nodeId }),
  }))
  const odd = {
    rawId: 'k8s/somebody',
    affiliate: affiliateOf({ nodeId: 'a', addresses: ['10.0.0.9' as Address] }),
  }
  const merged = mergeAffiliates([...raw, odd])
  assert.deepEqual(
    merged.map(({ nodeId }) => nodeId),
    ['B', 'a', 'b'],
  )
  assert.deepEqual(merged[1]?.addresses, ['10.0.0.9'])
})

test('the order in which registries speak does not matter', () => {
  const endpoint = fc.constantFrom<AddressPort>(...(['1.1.1.1:1', '2.2.2.2:2', '[::1]:3'] as AddressPort[]))
  const raw = fc.uniqueArray(
    fc.record({
      rawId: fc.constantFrom('k8s/a', 'service/a', 'k8s/b', 'service/b'),
      endpoints: fc.array(endpoint),
      hostname: fc.constantFrom('', 'x', 'y'),
    }),
    { selector: ({ rawId }) => rawId },
  )
  fc.assert(
    fc.property(raw, (drawn) => {
      const all = drawn.map(({ rawId, endpoints, hostname }) => ({
        rawId,
        affiliate: affiliateOf({ nodeId: rawId.slice(-1), hostname, endpoints }),
      }))
      assert.deepEqual(mergeAffiliates(all.toReversed()), mergeAffiliates(all))
    }),
  )
})
