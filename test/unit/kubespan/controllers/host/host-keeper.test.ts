import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MeshCounters } from '../../../../../kubespan/controllers/counters.ts'
import { HostKeeper, type KeepInput } from '../../../../../kubespan/controllers/host/host-keeper.ts'
import type { ApplyOutcome } from '../../../../../kubespan/controllers/mesh-host.ts'
import type { Placement } from '../../../../../kubespan/model/desired.ts'
import type { WireGuardPeer } from '../../../../../kubespan/model/peer.ts'
import type { AddressPort, Prefix } from '../../../../../shared/net/address.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'
import { specOf, wireguardPeerOf } from '../../../../support/peers.ts'
import { settingsOf } from '../../../../support/settings.ts'

const [HERE, THERE] = ['192.0.2.1:51820', '192.0.2.2:51820'] as [AddressPort, AddressPort]
const settings = settingsOf()
const specs = [specOf({})]
const viewOf = (...peers: readonly WireGuardPeer[]): KeepInput['view'] => ({
  publicKey: undefined,
  listenPort: 51820,
  fwmark: 0x20,
  peers: new Map(peers.map((peer) => [peer.publicKey, peer])),
})

function world(...stored: readonly Placement[]) {
  const clock = new ManualClock()
  const memory: { placements: readonly Placement[]; fault?: Error } = { placements: stored }
  const warnings: string[] = []
  const counters = new MeshCounters()
  const done: string[] = []
  const faults = { setEndpoints: false, apply: false }
  const shown: Partial<ApplyOutcome> = {}
  const keeper = new HostKeeper({
    clock,
    counters,
    warn: (problem) => warnings.push(problem),
    host: {
      placements: {
        load: async () => memory.placements,
        save: async (_, placements) => {
          if (memory.fault !== undefined) throw memory.fault
          memory.placements = placements
        },
      },
      async apply() {
        done.push('apply')
        if (faults.apply) throw new Error('nft: busy')
        return { changes: 1, warnings: [], ...shown }
      },
      async kickPeers(_, keys) {
        done.push(`kick ${keys}`)
      },
      async resetPeers(_, keys) {
        done.push(`reset ${keys}`)
      },
      async setEndpoints(_, endpoints) {
        done.push(`endpoints ${[...endpoints].join(' ')}`)
        if (faults.setEndpoints) throw new Error('wg: no')
      },
      async removeLink({ linkName }) {
        done.push(`remove ${linkName}`)
        return true
      },
      async removeGuards({ linkName }, successor) {
        done.push(`remove guards of ${linkName} for ${successor.linkName}`)
      },
      async takeBack({ linkName }) {
        done.push(`take back ${linkName}`)
      },
    },
  })
  const keep = async (said: Partial<KeepInput> = {}) => {
    const endpoints = said.endpoints ?? new Map()
    const { placement } = said.settings ?? settings
    const outcome = await keeper.keep({
      desired: {
        placement,
        mtuBytes: 1420,
        address: specs[0]?.address as never,
        addressBits: 64,
        peers: (said.specs ?? specs).map(({ publicKey, allowedIps }) => ({
          publicKey,
          allowedIps,
          endpoint: endpoints.get(publicKey),
        })),
        routedV4: NONE,
        routedV6: NONE,
      },
      specs,
      endpoints,
      resets: [],
      kicks: [],
      view: viewOf(wireguardPeerOf({ endpoint: HERE })),
      identity: {} as KeepInput['identity'],
      settings,
      isSuspect: false,
      ...said,
    })
    return [outcome.changes, ...done.splice(0)]
  }
  return { clock, counters, keeper, faults, shown, keep, memory, warnings, done }
}
const NONE: readonly Prefix[] = []

test('the host is compared when something is wanted of it, when that is due, and when something may have happened', async () => {
  const { clock, counters, faults, keep } = world()
  assert.deepEqual(await keep(), [1, 'apply'])
  assert.deepEqual(await keep(), [0], 'as it was')
  assert.deepEqual(await keep({ specs: [specOf({ allowedIps: ['10.0.0.0/8' as Prefix] })] }), [1, 'apply'])
  assert.deepEqual(await keep(), [1, 'apply'], 'as it was before')
  assert.equal(counters.view.driftRepairs, 0)
  assert.deepEqual(await keep({ view: undefined }), [1, 'apply'])
  assert.equal(counters.view.driftRepairs, 1)
  assert.deepEqual(await keep({ isSuspect: true }), [1, 'apply'])
  await clock.advance(settings.timing.reconcileEvery)
  faults.apply = true
  await assert.rejects(keep(), /nft: busy/)
  faults.apply = false
  assert.deepEqual(await keep(), [1, 'apply', 'apply'], 'what failed is done again')
})

test('endpoints that change are written alone, unless a peer is missing or is to begin anew', async () => {
  const { counters, faults, keep } = world()
  const endpoints = new Map([['key', THERE]])
  await keep()
  assert.deepEqual(await keep({ endpoints }), [1, `endpoints key,${THERE}`])
  assert.deepEqual(await keep({ endpoints: new Map([['key', HERE]]) }), [0], 'it is there')
  assert.deepEqual(await keep(), [0], 'and was no other wish')
  assert.deepEqual(await keep({ endpoints, resets: ['key'] }), [1, 'reset key', 'apply'])
  assert.deepEqual(await keep({ endpoints, view: viewOf() }), [1, 'apply'])
  const quiet = viewOf(wireguardPeerOf({ keepaliveSeconds: 0 }))
  assert.deepEqual(await keep({ endpoints, view: quiet }), [1, 'apply'], 'which makes it call')
  assert.deepEqual(await keep({ endpoints, view: quiet, kicks: ['key'] }), [
    ...[1, `endpoints key,${THERE}`, 'kick key'],
  ])
  faults.setEndpoints = true
  assert.deepEqual(await keep({ endpoints }), [1, `endpoints key,${THERE}`, 'apply'])
  assert.deepEqual([counters.view.hostChanges, counters.view.driftRepairs], [7, 0])
})

const moved = { ...settings, placement: { ...settings.placement, linkName: 'mesh0' } }
const renumbered = { ...settings, placement: { ...settings.placement, routingTable: 181 } }

test('under other names the old link goes first and its marks last, once', async () => {
  const { keeper, keep, memory } = world()
  assert.equal(await keeper.leaveOld(settings), false)
  await keep()
  assert.deepEqual(keeper.standing, settings.placement)
  assert.equal(await keeper.leaveOld(settings), false)
  assert.equal(await keeper.leaveOld(moved), true)
  assert.deepEqual(await keep({ settings: moved }), [
    ...[1, 'remove kubespan', 'apply', 'remove guards of kubespan for mesh0'],
  ])
  assert.deepEqual(memory.placements, [moved.placement])
  assert.equal(await keeper.leaveOld(moved), false)
  assert.deepEqual(await keep({ settings: moved }), [0])
})

test('other numbers cost no link', async () => {
  const { keeper, keep } = world(settings.placement)
  assert.equal(await keeper.leaveOld(renumbered), false)
  assert.deepEqual(await keep({ settings: renumbered }), [
    ...[1, 'apply', 'remove guards of kubespan for kubespan'],
  ])
})

test('what a daemon before this one made under other names goes, and is known until it has gone', async () => {
  const { keeper, keep, memory, faults } = world(moved.placement)
  assert.equal(await keeper.leaveOld(settings), true)
  faults.apply = true
  await assert.rejects(keep(), /nft: busy/)
  assert.deepEqual(memory.placements, [moved.placement, settings.placement], 'before anything is made')
  faults.apply = false
  assert.deepEqual(await keep(), [1, 'remove mesh0', 'apply', 'apply', 'remove guards of mesh0 for kubespan'])
  assert.deepEqual(memory.placements, [settings.placement])
})

test('what it made under the same names stays, unless the mesh was turned off meanwhile', async () => {
  const same = world(settings.placement)
  assert.equal(await same.keeper.leaveOld(settings), false)
  assert.deepEqual(await same.keep(), [1, 'apply'])
  const off = world(moved.placement, settings.placement)
  assert.equal(await off.keeper.leaveOld({ ...settings, enabled: false }), true)
  assert.deepEqual([off.done, off.memory.placements], [['take back mesh0', 'take back kubespan'], []])
  assert.equal(await off.keeper.leaveOld({ ...settings, enabled: false }), false)
})

test('at the end that is taken back which stands, and where nothing is known of, what could', async () => {
  for (const [stored, linkName] of [
    [[moved.placement], 'mesh0'],
    [[], 'kubespan'],
  ] as const) {
    const { keeper, memory, done } = world(...stored)
    await keeper.leave(settings)
    assert.deepEqual([done, memory.placements], [[`take back ${linkName}`], []])
  }
})

test('a placement that cannot be stored is a warning, and stops nothing', async () => {
  const { keep, memory, warnings } = world()
  memory.fault = new Error('ENOSPC')
  assert.deepEqual(await keep(), [1, 'apply'])
  assert.deepEqual(await keep({ isSuspect: true }), [1, 'apply'])
  assert.deepEqual(warnings, ['the placement cannot be stored: ENOSPC'])
})

test('packets that are dropped while nothing is known to lead them elsewhere are told of until that is over', async () => {
  const { clock, keeper, keep, shown } = world()
  const look = async (strayPackets: number, outcome: Partial<ApplyOutcome> = {}): Promise<number> => {
    Object.assign(shown, { detours: [], hasMendedWays: false, strayPackets }, outcome)
    await keep({ isSuspect: true })
    return keeper.detours.length
  }
  const warningsOf = async (said: Partial<KeepInput>) => {
    await keep(said)
    return keeper.detours
  }
  assert.equal(await look(7), 0, 'of an earlier run')
  assert.equal(await look(7), 0)
  assert.equal(await look(9), 1, 'at once')
  assert.match((await warningsOf({}))[0] ?? '', /another program leads them elsewhere.*kubespan doctor/)
  await clock.advance(30_000)
  assert.equal(await look(9), 1)
  assert.equal(await look(10), 1)
  await clock.advance(59_000)
  assert.equal(await look(10), 1)
  await clock.advance(1000)
  assert.equal(await look(10), 0, 'it no longer grows')
  assert.equal(await look(11, { hasMendedWays: true }), 0, 'our own were gone')
  assert.equal(await look(12), 0, 'before they were back')
  assert.equal(await look(13, { detours: ['rule'] }), 1)
  assert.deepEqual(keeper.detours, ['rule'])
  assert.equal(await look(14), 0, 'before that was mended')
  assert.equal(await look(15), 1)
  await keeper.leave(settings)
  assert.equal(keeper.detours.length, 0)
})
