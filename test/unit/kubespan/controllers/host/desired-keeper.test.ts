import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DesiredKeeper, type DesireInput } from '../../../../../kubespan/controllers/host/desired-keeper.ts'
import type { ObservedLink } from '../../../../../kubespan/model/observed.ts'
import type { Address } from '../../../../../shared/net/address.ts'
import { settingsOf } from '../../../../support/doctor-facts.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

const link = (name: string, address: string): ObservedLink => ({
  name,
  isUp: true,
  hasCarrier: true,
  isPhysical: true,
  mac: undefined,
  addresses: [{ address: address as Address, bits: 24, scope: 'global' }],
})

test('when this host has an address more or less, as with a network of containers, routes are asked for', async () => {
  const clock = new ManualClock()
  const asked: boolean[] = []
  const keeper = new DesiredKeeper(
    async (mustAskRoutes) => {
      asked.push(mustAskRoutes)
      return { neighbours: [], networks: [], forwards: true, forwardedByLink: [] }
    },
    clock,
    () => {},
  )
  const desire = async (...links: ObservedLink[]) => {
    await clock.advance(5_000)
    return await keeper.desire({
      settings: settingsOf(),
      links,
      isSuspect: false,
      identity: { address: 'fd00::1', subnet: 'fd00::/64' },
      ...{ specs: [], claims: new Map(), held: [], statuses: new Map(), endpoints: new Map() },
      ...{ goals: [], addressesOf: () => new Map() },
    } as unknown as DesireInput)
  }
  const eth0 = link('eth0', '192.0.2.7')
  await desire(eth0)
  await desire(eth0)
  assert.deepEqual(asked, [true])
  const { desired } = await desire(eth0, link('docker0', '172.17.0.1'))
  assert.deepEqual(asked, [true, true])
  assert.deepEqual(desired.forwarding?.sources, ['172.17.0.1/32', '192.0.2.7/32', 'fd00::1/128'])
  await desire(eth0, link('docker0', '172.17.0.1'))
  await desire(eth0)
  assert.deepEqual(asked, [true, true, true])
})
