import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseEndpoint } from '../../../../../kubespan/plan/paths/endpoint-order.ts'
import type { AddressPort } from '../../../../../shared/net/address.ts'

interface Case {
  name: string
  endpoints: AddressPort[]
  lastUsedEndpoint: AddressPort | null
  observedEndpoint: AddressPort | null
  picked: AddressPort | null
}

test('recorded rotations', () => {
  const { cases } = JSON.parse(readFileSync('test/vectors/rotation.json', 'utf8')) as { cases: Case[] }
  for (const { name, endpoints, lastUsedEndpoint, observedEndpoint, picked } of cases)
    assert.equal(
      chooseEndpoint({
        candidates: endpoints,
        lastUsedEndpoint: lastUsedEndpoint ?? undefined,
        observedEndpoint: observedEndpoint ?? undefined,
      }),
      picked ?? undefined,
      name,
    )
})

test('every candidate gets its turn before one gets a second', () => {
  const ports = fc.uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 2 })
  fc.assert(
    fc.property(ports, (numbers) => {
      const candidates = numbers.map((port) => `192.0.2.1:${port}` as AddressPort)
      const tried = candidates.reduce<AddressPort[]>((done) => {
        const last = done.at(-1)
        const next = chooseEndpoint({ candidates, lastUsedEndpoint: last, observedEndpoint: last })
        return next === undefined ? done : [...done, next]
      }, [])
      assert.deepEqual(tried, candidates)
    }),
  )
})
