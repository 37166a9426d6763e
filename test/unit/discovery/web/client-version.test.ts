import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { ClientVersionSeries, clientVersionLabel } from '../../../../discovery/web/client-version.ts'

interface Case {
  readonly name: string
  readonly version: string
  readonly label: string
  readonly required?: string
}
const { cases } = JSON.parse(readFileSync('test/vectors/client-version.json', 'utf8')) as { cases: Case[] }

/** The recorded label, unless it is free text, which is a defect of the reference (SPEC 9, S11). */
const wanted = ({ label, required }: Case): string =>
  required ?? (/^(unknown|v\d*\.\d*(-pre)?)$/.test(label) ? label : 'unknown')

for (const vector of cases)
  test(`vector client-version ${vector.name}`, () => {
    assert.equal(clientVersionLabel(vector.version), wanted(vector))
  })

test('letters are no version, and an empty suffix is none', () => {
  assert.equal(clientVersionLabel('vx.y.z'), 'unknown')
  assert.equal(clientVersionLabel('v1.8.3-'), 'v1.8')
  assert.equal(clientVersionLabel('v1.٣.0'), 'unknown', 'digits of other scripts are not digits here')
})

test('the number of series is bounded, unknown included; known ones keep their own', () => {
  const series = new ClientVersionSeries(3)
  assert.equal(series.labelOf('v1.1.0'), 'v1.1')
  assert.equal(series.labelOf('nonsense'), 'unknown')
  assert.equal(series.labelOf('v1.2.0'), 'v1.2')
  assert.equal(series.labelOf('v1.3.0'), 'unknown')
  assert.equal(series.labelOf('v1.1.7'), 'v1.1')
  const many = new ClientVersionSeries()
  const seen = new Set<string>()
  fc.assert(
    fc.property(fc.nat(99), fc.nat(999), fc.boolean(), (major, minor, isPre) => {
      seen.add(many.labelOf(`v${major}.${minor}.0${isPre ? '-x' : ''}`))
      assert.ok(seen.size <= 200)
    }),
    { numRuns: 1000 },
  )
})
