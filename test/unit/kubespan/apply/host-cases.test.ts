import { test } from 'node:test'
import { FakeHost } from '../../../support/fake-host.ts'
import { HOST_CASES } from '../../../support/host-cases.ts'

for (const { name, run } of HOST_CASES)
  test(name, async () => {
    const host = new FakeHost()
    // As in namespaces that lead nowhere, where the same is done to real tools.
    host.network.hasNoWayOut = true
    await run({
      host,
      writes: host.writes,
      async crash(linkName) {
        host.network.ip(['link', 'del', 'dev', linkName])
        host.sockets.add(linkName)
      },
    })
  })
