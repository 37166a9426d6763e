import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { cleanUp } from '../../kubespan/apply/cleanup.ts'
import { createHost } from '../../kubespan/host/host.ts'
import { observeWireGuard } from '../../kubespan/sources/wireguard.ts'
import { systemClock } from '../../shared/clock.ts'
import { confineTools } from '../support/confined-tools.ts'
import { desiredOf, peersOf, placementOf, SECRETS } from '../support/desired-states.ts'
import { bringInLine } from '../support/host-cases.ts'
import { patient } from '../support/patience.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'

/** The host brought in line by tools that may not read what they are given in just any way, as AppArmor has it. */
const skip = whyNoPrivateHost(['ip', 'nft', 'wg', 'wireguard-go']) ?? false
if (!skip) enterPrivateHost(fileURLToPath(import.meta.url))

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-confined-'))
})
after(() => rm(directory, { recursive: true, force: true }))

for (const [name, readable, tools] of [
  ['a wg that may read no file of ours', 'no-file', ['wg']],
  ['a wg that may read pipes alone', 'pipe-only', ['wg']],
  ['ip, nft and wg that may read pipes alone', 'pipe-only', ['ip', 'nft', 'wg']],
] as const)
  test(`the mesh comes up, large or small, with ${name}`, { skip }, async () => {
    const path = confineTools(join(directory, name), readable, ...tools)
    const runDirectory = join(directory, 'run')
    const host = createHost({ clock: systemClock, runDirectory, path, timeout: patient(30_000) })
    try {
      // The second one does not fit into a pipe at once.
      for (const count of [3, 600]) {
        const desired = desiredOf(peersOf(count))
        const { warnings } = await bringInLine(host, desired)
        assert.deepEqual(warnings, [])
        const { linkName } = placementOf()
        const view = await observeWireGuard(host, linkName, SECRETS.presharedKey)
        assert.equal(view?.publicKey, SECRETS.publicKey)
        assert.equal(view?.peers.size, count)
        assert.ok([...(view?.peers.values() ?? [])].every(({ hasPresharedKey }) => hasPresharedKey))
        assert.equal((await bringInLine(host, desired)).count, 0)
      }
      assert.deepEqual(
        (await readdir(runDirectory)).filter((file) => file.startsWith('.')),
        [],
        'nothing lies about',
      )
    } finally {
      await cleanUp(host, placementOf())
    }
  })
