import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cleanUp } from '../../kubespan/apply/cleanup.ts'
import { createHost, type Host } from '../../kubespan/host/host.ts'
import { systemClock } from '../../shared/clock.ts'
import { placementOf } from '../support/desired-states.ts'
import { INSPECT_CASES } from '../support/inspect-cases.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'

/** What the unit tests read from the fake host, read from the real kernel, in namespaces of this file's own. */
const skip = whyNoPrivateHost(['ip', 'nft', 'wg', 'wireguard-go', 'unshare'])
if (skip === undefined) enterPrivateHost(fileURLToPath(import.meta.url))

let directory = ''
let host: Host

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-inspect-'))
  host = createHost({ clock: systemClock, runDirectory: directory })
})
after(() => rm(directory, { recursive: true, force: true }))

const ip = async (line: string): Promise<void> => {
  await host.run('ip', line.split(' '))
}

/** A way out for both families, or the host refuses packets before it asks about marks. */
beforeEach(async () => {
  if (skip !== undefined) return
  await ip('link add dev eth0 type veth peer name eth1')
  await ip('link set dev eth1 up')
  await ip('address add 192.0.2.2/24 dev eth0')
  await ip('address add 2001:db8:f::2/64 dev eth0 nodad')
  await ip('link set dev eth0 up')
  await ip('route add default via 192.0.2.1')
  await ip('-6 route add default via 2001:db8:f::1')
})
afterEach(async () => {
  if (skip !== undefined) return
  await cleanUp(host, placementOf())
  await ip('link del dev eth0')
  await ip('-4 rule del priority 100').catch(() => undefined)
})

for (const { name, run } of INSPECT_CASES) test(name, { skip: skip ?? false }, () => run(host))
