import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../shared/net/address.ts'
import { afterPeriod, PATIENCE_MS, skip } from '../e2e/story.ts'
import { isUp } from '../lab/mesh.ts'
import { Bed, Traffic } from './bed.ts'
import { Liar, type Lie, nobody, nodeIdBefore } from './liar.ts'

const STANDS_FOR_MS = 1_500

test('a member that says it is another takes nothing from it while that is up', { skip }, async (t) => {
  await using bed = await Bed.make('steal')
  const { lab, mesh, service } = bed
  const [a, b] = ['a', 'b'].map((name) => bed.host(name))
  assert.ok(a && b)
  const liar = new Liar(mesh.cluster)
  const lowest = nodeIdBefore(await bed.nodeIds())
  const publicKey = await bed.publicKey(b)
  const { identity } = await mesh.control(b).view()
  const addresses = [b.v4, b.v6].map((text) => parseAddress(text ?? '')).filter((one) => one !== undefined)
  const base = nobody(mesh.cluster.clusterId)

  const lies: Readonly<Record<string, Lie>> = {
    'the key of another under an id before its own': { ...base, nodeId: lowest, publicKey },
    'the addresses of another': { ...base, nodeId: lowest, addresses },
    'the mesh address of another': {
      ...base,
      nodeId: lowest,
      ...(identity !== undefined && { address: identity.address }),
    },
    'all of it': { ...base, nodeId: lowest, publicKey, addresses },
    'the key of another under what is no node id': { ...base, nodeId: '!', publicKey },
  }
  for (const [name, lie] of Object.entries(lies))
    await t.test(name, async () => {
      await using traffic = await Traffic.between(lab, ...lab.hosts)
      await service.order({ do: 'take', records: [liar.seal(lie)] })
      await afterPeriod(mesh, a, STANDS_FOR_MS)
      await service.order({ do: 'delete', ids: [lie.nodeId] })
      await afterPeriod(mesh, a, STANDS_FOR_MS)
      await traffic.assertUnharmed()
    })

  await t.test('nor from one that starts again while the lie stands', async () => {
    const lie: Lie = { ...base, nodeId: lowest, publicKey, addresses }
    await service.order({ do: 'take', records: [liar.seal(lie)] })
    await afterPeriod(mesh, a, STANDS_FOR_MS)
    await using traffic = await Traffic.between(lab, ...lab.hosts)
    await mesh.daemon(a).stop('SIGKILL')
    mesh.startDaemon(a)
    await mesh.until(a, (view) => isUp(view, 'b'), PATIENCE_MS)
    await afterPeriod(mesh, a, STANDS_FOR_MS)
    await service.order({ do: 'delete', ids: [lie.nodeId] })
    await afterPeriod(mesh, a, STANDS_FOR_MS)
    await traffic.assertUnharmed()
  })
})
