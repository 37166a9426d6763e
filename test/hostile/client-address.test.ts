import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { afterPeriod, eventually, PATIENCE_MS, skip } from '../e2e/story.ts'
import { Bed, Traffic } from './bed.ts'

const FORGOTTEN_WITHIN_MS = 10_000
/** Since the daemon started, which is a while ago. */
const TOLD_WITHIN_MS = 40_000
/** Its place among the services. */
const MUTE = 2

/** What no host can have as its address, in hex as Hello carries it. */
const SENSELESS: Readonly<Record<string, string>> = {
  'an address with a zone of 240 bytes': `20010db8${'00'.repeat(11)}07${'61'.repeat(240)}`,
  'no address of IPv4': '00000000',
  'all hosts': 'ffffffff',
  'a reserved one': 'f0000001',
  'a group of IPv4': 'e0000001',
  'a group of IPv6': `ff02${'00'.repeat(13)}01`,
  loopback: '7f000001',
  'loopback as IPv6': `${'00'.repeat(10)}ffff7f000001`,
}

test('what a service calls our address is believed only where a host can have it', {
  skip,
}, async (t) => {
  await using bed = await Bed.make('seen', { names: ['a', 'b'], hasHonest: () => true, hasMute: true })
  const { lab, mesh, service } = bed
  const [a, b] = ['a', 'b'].map((name) => bed.host(name))
  assert.ok(a && b)
  await using traffic = await Traffic.between(lab, a, b)
  const greet = async (clientIp?: string): Promise<void> => {
    const { hellos } = await service.behave(clientIp === undefined ? {} : { clientIp })
    await service.order({ do: 'end watches' })
    await eventually(
      'both have said hello again',
      () => service.look(),
      (sight) => sight.hellos >= hellos + 2 && sight.watchers === 2,
    )
  }
  const said = async (): Promise<readonly string[]> => {
    const { affiliates } = await mesh.control(b).view()
    return affiliates.flatMap(({ addresses, kubespan }) => [...addresses, ...kubespan.endpoints])
  }
  const before = (await said()).toSorted()

  for (const [name, clientIp] of Object.entries(SENSELESS))
    await t.test(name, async () => {
      const { failedPasses } = (await mesh.control(a).view()).counters
      await greet(clientIp)
      const view = await afterPeriod(mesh, a)
      assert.equal(view.lastReconcile?.error, undefined)
      assert.equal(view.counters.failedPasses, failedPasses)
      assert.deepEqual((await said()).toSorted(), before)
    })

  await t.test('one that another has told is forgotten when it is told no more', async () => {
    await greet('c6336407') // 198.51.100.7, of documentation
    const tells = (view: { readonly services: readonly { readonly publicAddresses: readonly string[] }[] }) =>
      view.services.some(({ publicAddresses }) => publicAddresses.includes('198.51.100.7'))
    await mesh.until(a, tells, PATIENCE_MS)
    await greet()
    await mesh.until(a, (view) => !tells(view), PATIENCE_MS)
    // What was published is with the honest service until its time is over.
    const announces = ({ affiliates }: DaemonView): boolean =>
      affiliates.some(
        ({ isLocal, addresses, kubespan }) =>
          isLocal && [...addresses, ...kubespan.endpoints].some((text) => text.startsWith('198.51.100.7')),
      )
    await mesh.until(a, (view) => !announces(view), FORGOTTEN_WITHIN_MS)
  })

  await t.test('a service that never answers a watch is told of, after half a minute', async () => {
    const isTold = ({ services }: DaemonView): boolean =>
      /not answered the watch/.test(services[MUTE]?.problem ?? '')
    const { services } = await mesh.until(a, isTold, TOLD_WITHIN_MS)
    assert.equal(services[MUTE]?.connected, false)
    const { stdout } = await mesh.kubespan(a, ['status'], { check: false })
    assert.ok(stdout.includes(services[MUTE]?.problem ?? ''), stdout)
  })

  await t.test('and nobody loses a packet', () => traffic.assertUnharmed())
})
