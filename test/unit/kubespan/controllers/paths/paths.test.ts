import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Paths } from '../../../../../kubespan/controllers/paths/paths.ts'
import { Racer } from '../../../../../kubespan/controllers/paths/racer.ts'
import type { PeerStatus } from '../../../../../kubespan/model/peer.ts'
import type { Settings } from '../../../../../kubespan/model/settings.ts'
import type { Address, AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { FakeRaceSockets } from '../../../../support/fake-race-sockets.ts'
import { linkOf } from '../../../../support/links.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { specOf, wireguardPeerOf } from '../../../../support/peers.ts'
import { settingsOf } from '../../../../support/settings.ts'

/** A host that notes which endpoints are written, and keeps nothing. */
const fakeHost = (written: unknown[]) => ({
  echo: async () => new Map<Address, number>(),
  deafen: async () => {},
  paths: { load: async () => [], save: async () => {} },
  setEndpoints: async (_: unknown, endpoints: ReadonlyMap<string, AddressPort>) => {
    written.push([...endpoints])
  },
})

const step = async (settings: Settings, canRace: boolean) => {
  const clock = new ManualClock()
  const racer = canRace ? new Racer({ clock, sockets: new FakeRaceSockets() }) : undefined
  const paths = new Paths({
    clock,
    racer: async () => racer,
    host: fakeHost([]),
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

test('when our address changes the endpoints of who is up are written anew, so that WireGuard forgets the old one', async () => {
  const written: unknown[] = []
  const clock = new ManualClock()
  const racer = new Racer({ clock, sockets: new FakeRaceSockets() })
  const paths = new Paths({ clock, racer: async () => racer, host: fakeHost(written), warn: assert.fail })
  const endpoint = '192.0.2.1:51820' as AddressPort
  const peer = wireguardPeerOf({ endpoint, lastHandshakeAt: -1000, lastHandshakeStamp: 5 })
  const view = { publicKey: undefined, listenPort: 51820, fwmark: 32, peers: new Map([['key', peer]]) }
  const look = async (address: string) =>
    await paths.step({
      specs: [specOf({ endpoints: [endpoint] })],
      memory: new Map(),
      view,
      identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
      links: [linkOf('eth0', [address])],
      settings: settingsOf(),
      now: clock.now(),
    })
  await look('10.0.0.1/24')
  await look('10.0.0.1/24')
  assert.deepEqual(written, [])
  const moved = await look('10.9.0.1/24')
  assert.deepEqual(written, [[['key', endpoint]]])
  assert.deepEqual([[...moved.endpoints], moved.again], [[], 500])
})

test('a race that was ordered in a pass that failed begins once more in the next', async () => {
  const clock = new ManualClock()
  const sockets = new FakeRaceSockets()
  const racer = new Racer({ clock, sockets })
  const paths = new Paths({ clock, racer: async () => racer, host: fakeHost([]), warn: assert.fail })
  const look = async (memory: ReadonlyMap<string, PeerStatus>) =>
    await paths.step({
      specs: [specOf({ endpoints: ['192.0.2.1:51820'] as AddressPort[] })],
      memory,
      view: undefined,
      identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
      links: [linkOf('eth0', ['10.0.0.1/24'])],
      settings: settingsOf(),
      now: clock.now(),
    })
  const nothing = new Map<string, PeerStatus>()
  const first = await look(nothing)
  const again = await look(nothing)
  assert.deepEqual([...again.endpoints], [...first.endpoints])
  assert.equal(sockets.relays.size, 1)
  assert.deepEqual([...(await look(again.statuses)).endpoints], [], 'what was done is not done twice')
})

test('a race whose peer was removed and made again meanwhile begins once more', async () => {
  const clock = new ManualClock()
  const racer = new Racer({ clock, sockets: new FakeRaceSockets() })
  const paths = new Paths({ clock, racer: async () => racer, host: fakeHost([]), warn: assert.fail })
  let memory: ReadonlyMap<string, PeerStatus> = new Map()
  const look = async (endpoint?: AddressPort, peers = ['key']) => {
    const peer = wireguardPeerOf({ endpoint })
    const outcome = await paths.step({
      specs: [specOf({ endpoints: ['192.0.2.1:51820'] as AddressPort[] })],
      memory,
      view: {
        publicKey: undefined,
        listenPort: 51820,
        fwmark: 32,
        peers: new Map(peers.map((key) => [key, peer])),
      },
      identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
      links: [linkOf('eth0', ['10.0.0.1/24'])],
      settings: settingsOf(),
      now: clock.now(),
    })
    memory = outcome.statuses
    return [[...outcome.endpoints.values()], outcome.kicks]
  }
  const relay = '127.0.0.1:40001' as AddressPort
  assert.deepEqual(await look(undefined, []), [[relay], []])
  assert.deepEqual(await look(relay), [[], []])
  assert.deepEqual(await look(undefined, []), [[], []], 'it is made again first')
  assert.deepEqual(await look(), [[relay], ['key']])
  assert.deepEqual(await look(relay), [[], []])
})
