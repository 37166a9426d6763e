import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitRecord } from '../../../../../kubespan/plan/self/fit-record.ts'
import type { Affiliate } from '../../../../../shared/affiliate/affiliate.ts'
import { AFFILIATE_PLAINTEXT_MAX_BYTES, encodeAffiliate } from '../../../../../shared/affiliate/codec.ts'
import { type Address, compareAddresses, type Prefix } from '../../../../../shared/net/address.ts'
import { PrefixSet } from '../../../../../shared/net/prefix-set.ts'
import { affiliateOf } from '../../../../support/affiliates.ts'

const range = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index))
const v4 = (count: number) => range(count, (index) => `192.0.2.${index}`) as Address[]
const v6 = (count: number) => range(count, (index) => `2001:db8::${(index + 1).toString(16)}`) as Address[]
const networks = (count: number) => range(count, (index) => `10.${index}.2.0/24`) as Prefix[]

interface Said {
  readonly addresses?: readonly Address[]
  readonly additional?: readonly Prefix[]
  readonly excluded?: readonly Prefix[]
  readonly hostname?: string
  readonly operatingSystem?: string
}

function fit({ addresses = [], additional = [], excluded = [], ...names }: Said) {
  const base = affiliateOf({ nodeId: 'n'.repeat(44) })
  const affiliate: Affiliate = {
    ...base,
    ...names,
    addresses: [...addresses].sort(compareAddresses),
    kubespan: {
      ...base.kubespan,
      publicKey: `${'k'.repeat(43)}=`,
      additionalAddresses: additional,
      excludeAdvertisedNetworks: excluded,
    },
  }
  const fitted = fitRecord(affiliate, addresses)
  const bytes = encodeAffiliate(fitted.affiliate).length
  assert.ok(bytes <= AFFILIATE_PLAINTEXT_MAX_BYTES, `${bytes} bytes`)
  const { affiliate: said, ...leftOut } = fitted
  return { affiliate, bytes, said, ...leftOut }
}

test('what fits stays as it is', () => {
  for (const addresses of [v4(70), v6(40), []]) {
    const { affiliate, said, ...leftOut } = fit({ addresses, additional: networks(10) })
    assert.equal(said, affiliate)
    assert.deepEqual([leftOut.addresses, leftOut.networks, leftOut.exclusions], [[], [], []])
  }
})

test('of too many addresses the best are published, as many as the record takes, ascending', () => {
  const best = v6(150).toReversed()
  const { said, addresses, bytes } = fit({ addresses: best })
  const count = said.addresses.length
  assert.ok(count > 90, `${count} addresses`)
  assert.ok(bytes + 18 > AFFILIATE_PLAINTEXT_MAX_BYTES, 'not one more')
  assert.deepEqual(said.addresses, best.slice(0, count).toReversed())
  assert.deepEqual(addresses, best.slice(count))
})

test('networks come after the best addresses and before the rest', () => {
  const { said, addresses, networks: leftOut } = fit({ addresses: v6(150), additional: networks(60) })
  assert.equal(said.kubespan.additionalAddresses.length, 60)
  assert.deepEqual(leftOut, [])
  assert.ok(said.addresses.length > 8 && addresses.length > 0)

  const many = fit({ addresses: v6(150), additional: networks(256) })
  assert.equal(many.said.addresses.length, 8)
  assert.equal(many.said.kubespan.additionalAddresses.length + many.networks.length, 256)
})

test('networks that lie side by side are one', () => {
  const pods = range(256, (index) => `10.0.${index}.0/24`) as Prefix[]
  const { said, networks: leftOut } = fit({ additional: pods })
  assert.deepEqual(said.kubespan.additionalAddresses, ['10.0.0.0/16'])
  assert.deepEqual(leftOut, [])
})

test('what an exclusion without room would keep away is not said either', () => {
  const excluded = range(250, (index) => `192.${index}.1.0/24`) as Prefix[]
  const inside = range(250, (index) => `192.${index}.1.7`) as Address[]
  const { said, exclusions } = fit({ addresses: inside, additional: ['192.0.0.0/8'] as Prefix[], excluded })
  assert.ok(exclusions.length > 0)
  const routed = PrefixSet.of([
    ...said.kubespan.additionalAddresses,
    ...(said.addresses.map((address) => `${address}/32`) as Prefix[]),
  ]).subtract(PrefixSet.of(said.kubespan.excludeAdvertisedNetworks))
  assert.equal(routed.overlaps(PrefixSet.of(excluded)), false)
})

test('long names leave less room, and a long name of the system is cut', () => {
  const { said } = fit({ addresses: v6(150), hostname: 'h'.repeat(253), operatingSystem: 'o'.repeat(3000) })
  assert.equal(said.hostname.length, 253)
  assert.equal(said.operatingSystem.length, 64)
  assert.ok(said.addresses.length > 70)
})
