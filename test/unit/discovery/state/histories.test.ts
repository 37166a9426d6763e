import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import { fullLine, StateModel } from '../../../support/state-model.ts'

const manyEndpoints = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`)

/** Few names and short times, so that histories meet each other. */
const clusterId = fc.constantFrom('c', 'd')
const affiliateId = fc.constantFrom('a', 'b', 'e')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      clusterId,
      affiliateId,
      data: fc.constantFrom('', 'x', 'y'),
      endpoints: fc.oneof<fc.WeightedArbitrary<string[]>[]>(
        { weight: 9, arbitrary: fc.array(fc.constantFrom<string[]>('p', 'q', 'r'), { maxLength: 4 }) },
        { weight: 1, arbitrary: fc.nat(70).map(manyEndpoints) },
      ),
      ttl: fc.integer({ min: -1, max: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), clusterId, affiliateId }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('pass' as const), by: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('sweep' as const) }) },
)

const fullOf = (clusters: Clusters): string[] =>
  Array.from(clusters.export(), ({ id, affiliates }) => [
    id,
    ...Array.from(affiliates.values(), ({ id, data, expiresAt, endpoints }) =>
      fullLine(
        id,
        String(data),
        expiresAt,
        endpoints.map((endpoint) => [String(endpoint.bytes), endpoint.expiresAt] as const),
      ),
    ).sort(),
  ])
    .sort()
    .flat()

test('any history leads to what the model says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (history) => {
      const clusters = new Clusters()
      const model = new StateModel()
      let now = 0
      for (const each of history) {
        if (each.kind === 'pass') now += each.by
        else if (each.kind === 'sweep') {
          clusters.sweep(now)
          model.sweep(now)
        } else if (each.kind === 'delete')
          assert.equal(
            clusters.delete(each.clusterId, each.affiliateId),
            model.delete(each.clusterId, each.affiliateId),
          )
        else {
          const { data, endpoints, ttl } = each
          const refusal = clusters.update(each.clusterId, each.affiliateId, {
            data: Buffer.from(data),
            endpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
            expiresAt: now + ttl,
          })
          const answer = model.update(each.clusterId, each.affiliateId, { data, endpoints, until: now + ttl })
          assert.equal(refusal?.kind === 'full' ? refusal.what : 'ok', answer)
        }
      }
      assert.deepEqual(fullOf(clusters), model.full())
      const affiliates = [...clusters.export()].flatMap((cluster) => [...cluster.affiliates.values()])
      assert.equal(clusters.counts.affiliates, affiliates.length)
      assert.equal(
        clusters.counts.endpoints,
        affiliates.reduce((total, { endpoints }) => total + endpoints.length, 0),
      )
    }),
    { numRuns: 10_000 },
  )
})
