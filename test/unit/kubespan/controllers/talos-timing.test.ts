import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Paths } from '../../../../kubespan/controllers/paths/paths.ts'
import { RacerKeeper } from '../../../../kubespan/controllers/paths/racer-keeper.ts'
import type { PeerState, PeerStatus, WireGuardPeer } from '../../../../kubespan/model/peer.ts'
import type { AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { linkOf } from '../../../support/links.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { specOf, statusOf, wireguardPeerOf } from '../../../support/peers.ts'
import { settingsOf } from '../../../support/settings.ts'

/** `compat.timing: talos`, seen from where a pass asks what to do: SPEC 6.2 to 6.4, and nothing of what is ours. */

const casesOf = <C>(file: string): readonly (C & { readonly name: string })[] =>
  JSON.parse(readFileSync(`test/vectors/${file}`, 'utf8')).cases

/** Echoes, upgrades, memory on disk and sockets of races: none of it is to be touched. */
function talosPaths() {
  const clock = new ManualClock()
  const never = async (): Promise<never> => assert.fail('nothing of this is asked for')
  const keeper = new RacerKeeper({ clock, log: { warn: assert.fail }, open: never, release: never })
  const host = { echo: never, deafen: never, setEndpoints: never, paths: { load: never, save: never } }
  return new Paths({ clock, host, racer: ({ racing }) => keeper.of(racing, 51820), warn: assert.fail })
}

const NOW = 100_000_000
const SETTINGS = settingsOf('compat: {timing: talos}')

async function step(
  paths: Paths,
  endpoints: readonly AddressPort[],
  status: Partial<PeerStatus>,
  view: Partial<WireGuardPeer>,
  link = '192.0.2.1/24',
) {
  // A stamp that is known already belongs to the handshake that is remembered.
  const memory = statusOf({ observedAt: NOW, lastHandshakeStamp: 1, ...status })
  const peer = wireguardPeerOf({ lastHandshakeStamp: 1, ...view })
  const outcome = await paths.step({
    specs: [specOf({ endpoints })],
    memory: new Map([['key', memory]]),
    view: { publicKey: undefined, listenPort: 51820, fwmark: 0x20, peers: new Map([['key', peer]]) },
    identity: { publicKey: 'a', subnet: 'fd00::/64' as Prefix },
    links: [linkOf('eth0', [link])],
    settings: SETTINGS,
    now: NOW,
  })
  const { resets, kicks, again, racePort } = outcome
  assert.deepEqual([resets, kicks, again, racePort], [[], [], undefined, undefined])
  return { written: outcome.endpoints.get('key'), state: outcome.statuses.get('key')?.state }
}

interface StateCase {
  readonly msSinceLastHandshake: number | null
  readonly msSinceEndpointChange: number | null
  readonly lastUsedEndpointSet: boolean
  readonly state: PeerState
  readonly shouldChangeEndpoint: boolean
}

const [USED, OTHER] = ['192.0.2.2:51820', '192.0.2.3:51820'] as [AddressPort, AddressPort]

for (const recorded of casesOf<StateCase>('peer-state.json'))
  test(`talos timing, state: ${recorded.name}`, async () => {
    const before = (elapsed: number | null) => (elapsed === null ? undefined : NOW - elapsed)
    const lastHandshakeAt = before(recorded.msSinceLastHandshake)
    const { written, state } = await step(
      talosPaths(),
      [USED, OTHER],
      {
        lastHandshakeAt,
        lastHandshakeStamp: lastHandshakeAt === undefined ? undefined : 1,
        lastEndpointChangeAt: before(recorded.msSinceEndpointChange),
        lastUsedEndpoint: recorded.lastUsedEndpointSet ? USED : undefined,
      },
      { endpoint: USED, lastHandshakeStamp: lastHandshakeAt === undefined ? undefined : 1 },
    )
    // SPEC 9, N4: whoever is up is left alone, even when we never gave it an endpoint.
    const changes = recorded.shouldChangeEndpoint && recorded.state !== 'up'
    assert.equal(written, changes ? (recorded.lastUsedEndpointSet ? OTHER : USED) : undefined)
    assert.equal(state, changes ? 'unknown' : recorded.state)
  })

interface RotationCase {
  readonly endpoints: readonly AddressPort[] | null
  readonly lastUsedEndpoint: AddressPort | null
  readonly observedEndpoint: AddressPort | null
  readonly picked: AddressPort | null
}

for (const recorded of casesOf<RotationCase>('rotation.json'))
  test(`talos timing, rotation: ${recorded.name}`, async () => {
    const lastUsedEndpoint = recorded.lastUsedEndpoint ?? undefined
    const { written } = await step(
      talosPaths(),
      recorded.endpoints ?? [],
      { state: 'down', lastUsedEndpoint, lastEndpointChangeAt: NOW - 300_000 },
      { endpoint: recorded.observedEndpoint ?? undefined },
    )
    // SPEC 6.4: an endpoint that WireGuard lost is given back.
    const given = recorded.observedEndpoint === null ? lastUsedEndpoint : undefined
    assert.equal(written, recorded.picked ?? given)
  })

test('talos timing: silence, another network and a LAN that is shared change nothing', async () => {
  const paths = talosPaths()
  const up = { state: 'up', lastHandshakeAt: NOW - 1000, lastUsedEndpoint: USED } as const
  const lan = '10.0.0.7:51820' as AddressPort
  for (const [transmitBytes, link] of [
    [1000, '192.0.2.1/24'],
    [900_000, '198.51.100.1/24'],
    [9_000_000, '10.0.0.1/24'],
  ] as const) {
    const look = { endpoint: USED, transmitBytes, receiveBytes: 100 }
    assert.deepEqual(await step(paths, [USED, lan], up, look, link), { written: undefined, state: 'up' })
  }
})
