import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Paths } from '../../../../kubespan/controllers/paths.ts'
import { Racer } from '../../../../kubespan/controllers/racer.ts'
import type { Settings } from '../../../../kubespan/model/settings.ts'
import type { AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { FakeRaceSockets } from '../../../support/fake-race-sockets.ts'
import { linkOf } from '../../../support/links.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { specOf } from '../../../support/peers.ts'
import { settingsOf } from '../../../support/settings.ts'

const step = async (settings: Settings, canRace: boolean) => {
  const clock = new ManualClock()
  const racer = canRace ? new Racer({ clock, sockets: new FakeRaceSockets() }) : undefined
  const paths = new Paths({
    clock,
    echo: async () => undefined,
    racer: async () => racer,
    store: { load: async () => [], save: async () => {} },
    warn: assert.fail,
  })
  return await paths.step({
    specs: [specOf({ endpoints: ['192.0.2.1:51820', '10.0.0.2:51820'] as AddressPort[] })],
    memory: new Map(),
    view: undefined,
    identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
    links: [linkOf('eth0', ['10.0.0.1/24'])],
    settings,
    now: 0,
  })
}

test('peers are raced where that is possible, else tried quickly, and by turns where it is not wanted', async () => {
  const raced = await step(settingsOf(), true)
  assert.deepEqual([raced.racePort, [...raced.endpoints.values()]], [51819, ['127.0.0.1:40001']])
  const rotated = await step(settingsOf(), false)
  assert.deepEqual([rotated.racePort, [...rotated.endpoints.values()]], [undefined, ['10.0.0.2:51820']])
  assert.equal(rotated.again, 500)
  const turned = await step(settingsOf('compat: {timing: talos}'), false)
  assert.deepEqual([...turned.endpoints.values()], ['192.0.2.1:51820'])
  assert.equal(turned.again, undefined)
})
