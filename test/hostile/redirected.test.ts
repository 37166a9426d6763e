import assert from 'node:assert/strict'
import { test } from 'node:test'
import { afterPeriod, skip } from '../e2e/story.ts'
import { patient } from '../support/patience.ts'
import { assertNone, Bed, inClear, Traffic } from './bed.ts'
import { WebServer, WebVisitor } from './web.ts'

const PORT = 8080

test('a redirect to a node of the mesh leads nothing past the tunnel', { skip }, async () => {
  await using bed = await Bed.make('lead')
  const { lab, mesh, service } = bed
  const [a, b] = ['a', 'b'].map((name) => bed.host(name))
  assert.ok(a && b)
  await using _server = await WebServer.start(b, PORT)
  await using visitor = await WebVisitor.start(a, `http://${b.v4}:${PORT}/`)
  await using traffic = await Traffic.between(lab, ...lab.hosts)
  const { hellos } = await service.behave({ redirect: `${b.v4}:${PORT}` })
  await service.order({ do: 'end watches' })
  const deadline = performance.now() + patient(10_000)
  while ((await service.look()).hellos <= hellos) assert.ok(performance.now() < deadline, 'nobody came again')
  await afterPeriod(mesh, a, 3_000)
  const { served, failed } = await visitor.stop()
  assertNone(await inClear(lab))
  assert.equal(failed, 0, `${failed} visits failed, ${served} did not`)
  assert.ok(served > 10)
  await traffic.assertUnharmed()
})
