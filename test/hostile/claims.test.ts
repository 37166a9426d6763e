import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Prefix, parsePrefix, prefixContains, splitPrefix } from '../../shared/net/address.ts'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { Bed, Traffic } from './bed.ts'
import { Liar, nobody } from './liar.ts'

/** What no member can own. */
const SENSELESS = [
  '224.0.0.0/4',
  '169.254.0.0/16',
  'fe80::/10',
  'ff00::/8',
  '127.0.0.0/8',
  '255.255.255.255/32',
  '::1/128',
]

test('networks that no member can own are refused and told of', { skip }, async (t) => {
  await using bed = await Bed.make('claim', { names: ['a', 'b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  const liar = new Liar(mesh.cluster)
  const { identity } = await mesh.control(a).view()
  const own = `${identity?.address}/128`
  const lie = {
    ...nobody(mesh.cluster.clusterId),
    hostname: 'liar',
    additionalAddresses: [...SENSELESS, own, '10.77.0.0/16'].map(
      (text) => parsePrefix(text) ?? assert.fail(text),
    ),
  }
  await service.order({ do: 'take', records: [liar.seal(lie)] })
  const decent = parsePrefix('10.77.0.0/16') as Prefix
  const { routed } = await mesh.until(a, (view) => view.routed.includes(decent), PATIENCE_MS)

  for (const claim of [...SENSELESS, own])
    await t.test(claim, async () => {
      const { address } = splitPrefix(parsePrefix(claim) ?? assert.fail(claim))
      assert.ok(!routed.some((prefix) => prefixContains(prefix, address)), routed.join(' '))
      const { warnings } = await mesh.control(a).view()
      assert.ok(
        warnings.some((warning) => warning.includes(claim)),
        warnings.join('\n'),
      )
    })

  await t.test('and nobody loses a packet', async () => {
    await afterPeriod(mesh, a)
    await traffic.assertUnharmed()
  })
})
