import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { eventually, skip } from '../e2e/story.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { Bed } from './bed.ts'
import { HostileService } from './hostile-service.ts'

test('a redirect to a host with the name of a scheme leads to that host', { skip }, async (t) => {
  await using bed = await Bed.make('word', { names: ['a', 'b'], later: ['b'] })
  const { lab, mesh, service } = bed
  const a = bed.host('a')
  writeFileSync(a.hostsFile, `127.0.0.1 localhost\n${INTERNET_V4} elsewhere dns unix ipv4\n`)
  await mesh.daemon(a).stop('SIGTERM')
  for (const [name, port] of Object.entries({ elsewhere: 3053, dns: 53, unix: 1, ipv4: 4 }))
    await t.test(name, async () => {
      await using other = await HostileService.start(lab.internet, port)
      await service.behave({ redirect: `${name}:${port}` })
      mesh.startDaemon(a)
      const { watchers } = await eventually(
        'it comes there',
        () => other.look(),
        (sight) => sight.watchers > 0,
        10_000,
      )
      assert.equal(watchers, 1)
      await mesh.daemon(a).stop('SIGTERM')
    })
})
