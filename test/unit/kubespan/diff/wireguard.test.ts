import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  describeWireGuardDiff,
  deviceArguments,
  diffWireGuard,
  NEW_DEVICE,
  peersConfig,
  removalArguments,
} from '../../../../kubespan/diff/wireguard.ts'
import type { DesiredPeer } from '../../../../kubespan/model/desired.ts'
import type { WireGuardView } from '../../../../kubespan/model/peer.ts'
import { parseWireGuardDump } from '../../../../kubespan/sources/wireguard.ts'
import type { AddressPort, Prefix } from '../../../../shared/net/address.ts'
import { desiredOf, keyOf, peerOf, placementOf, SECRETS } from '../../../support/desired-states.ts'
import { FakeWireGuard } from '../../../support/host/fake-wireguard.ts'

const prefixes = ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24', '10.4.0.0/24'] as Prefix[]

function viewOf(wireguard: FakeWireGuard): WireGuardView {
  return parseWireGuardDump(
    wireguard.wg(['show', 'l', 'dump'], undefined),
    { now: 0, wall: 0 },
    SECRETS.presharedKey,
  )
}

/** Writes the changes of one diff, section by section, and calls `look` in between. */
function write(wireguard: FakeWireGuard, peers: readonly DesiredPeer[], look = (): void => undefined): void {
  const diff = diffWireGuard({ placement: placementOf(), peers }, SECRETS.publicKey, viewOf(wireguard))
  if (diff.device !== undefined) wireguard.wg(deviceArguments('l', diff.device), SECRETS.privateKey)
  for (const change of diff.set) {
    wireguard.wg(['addconf', 'l', '/dev/stdin'], peersConfig([change], SECRETS.presharedKey))
    look()
  }
  if (diff.remove.length > 0) wireguard.wg(removalArguments('l', diff.remove), undefined)
}

/** Up to five peers, each prefix with one of them or with nobody. */
const meshes = fc
  .record({
    owners: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 4, maxLength: 4 }),
    there: fc.subarray([1, 2, 3, 4, 5]),
    endpoint: fc.option(fc.constant('192.0.2.1:1' as AddressPort), { nil: undefined }),
  })
  .map(({ owners, there, endpoint }) =>
    there.map((index) =>
      peerOf(index, {
        endpoint,
        allowedIps: prefixes.filter((_, position) => owners[position] === index),
      }),
    ),
  )

test('whatever the device was, one diff makes it as desired, and the next is empty', () => {
  fc.assert(
    fc.property(meshes, meshes, (before, after) => {
      const wireguard = new FakeWireGuard()
      wireguard.addDevice('l')
      write(wireguard, before)
      write(wireguard, after)
      const diff = diffWireGuard(
        { placement: placementOf(), peers: after },
        SECRETS.publicKey,
        viewOf(wireguard),
      )
      assert.deepEqual(diff, { device: undefined, set: [], remove: [], ignored: [] })
      const { peers } = viewOf(wireguard)
      for (const { publicKey, allowedIps } of after)
        assert.deepEqual(peers.get(publicKey)?.allowedIps.toSorted(), [...allowedIps].sort())
    }),
  )
})

test('what moves to a peer that loses nothing is never without an owner', () => {
  const [x, y] = prefixes as [Prefix, Prefix]
  const wireguard = new FakeWireGuard()
  wireguard.addDevice('l')
  write(wireguard, [peerOf(1, { allowedIps: [x, y] }), peerOf(2, { allowedIps: [] })])
  const hasOwner = (prefix: Prefix): boolean =>
    [...viewOf(wireguard).peers.values()].some(({ allowedIps }) => allowedIps.includes(prefix))
  write(wireguard, [peerOf(1, { allowedIps: [y] }), peerOf(2, { allowedIps: [x] })], () =>
    assert.ok(hasOwner(x) && hasOwner(y)),
  )
})

test('only what is wrong with the device is set, and all of that at once', () => {
  const view: WireGuardView = {
    publicKey: SECRETS.publicKey,
    listenPort: 51820,
    fwmark: 0x20,
    peers: new Map(),
  }
  const device = (found: WireGuardView) =>
    diffWireGuard({ placement: placementOf(), peers: [] }, SECRETS.publicKey, found).device
  assert.equal(device(view), undefined)
  assert.deepEqual(device({ ...view, fwmark: 0 }), { fwmark: 0x20 })
  assert.deepEqual(device({ ...view, listenPort: 1 }), { listenPort: 51820 })
  assert.deepEqual(device({ ...view, publicKey: keyOf(1) }), { privateKey: true })
  const all = device(NEW_DEVICE)
  assert.deepEqual(all && deviceArguments('kubespan', all), [
    ...['set', 'kubespan', 'listen-port', '51820', 'fwmark', '0x20', 'private-key', '/dev/stdin'],
  ])
})

test('a section names everything that it would otherwise take away', () => {
  const text = peersConfig([{ peer: peerOf(1), reasons: ['endpoint'] }], SECRETS.presharedKey)
  assert.deepEqual(text.split('\n'), [
    '[Peer]',
    `PublicKey = ${keyOf(1)}`,
    `PresharedKey = ${SECRETS.presharedKey}`,
    'PersistentKeepalive = 25',
    'AllowedIPs = 10.100.1.0/24, 198.18.0.1/32, 2001:db8:1::/64, fd11:2233:4455:6602::1/128',
    'Endpoint = 203.0.113.2:51820',
    '',
  ])
  const bare = peerOf(1, { allowedIps: [], endpoint: undefined })
  assert.equal(peersConfig([{ peer: bare, reasons: ['new'] }], 'psk').split('\n').length, 5)
})

test('keepalives begin when it is known where the peer is, from us or from itself', () => {
  const wireguard = new FakeWireGuard()
  wireguard.addDevice('l')
  const nowhere = [peerOf(1, { endpoint: undefined, allowedIps: [] })]
  const keepalive = (): number | undefined => viewOf(wireguard).peers.get(keyOf(1))?.keepaliveSeconds
  const reasons = () =>
    diffWireGuard({ placement: placementOf(), peers: nowhere }, SECRETS.publicKey, viewOf(wireguard)).set.map(
      (change) => change.reasons,
    )
  write(wireguard, nowhere)
  assert.deepEqual([keepalive(), reasons()], [0, []])
  const heard = ['[Peer]', `PublicKey = ${keyOf(1)}`, 'PersistentKeepalive = 0', 'Endpoint = 192.0.2.1:1', '']
  wireguard.wg(['addconf', 'l', '/dev/stdin'], heard.join('\n'))
  assert.deepEqual(reasons(), [['keepalive']])
  write(wireguard, nowhere)
  assert.deepEqual([keepalive(), reasons()], [25, []])
})

test('changes say why', () => {
  const wireguard = new FakeWireGuard()
  wireguard.addDevice('l')
  write(wireguard, [peerOf(1), peerOf(2), peerOf(3)])
  wireguard.wg(
    ['addconf', 'l', '/dev/stdin'],
    `[Peer]\nPublicKey = ${keyOf(2)}\nPresharedKey = ${keyOf(2)}\n`,
  )
  const desired = desiredOf([peerOf(1, { endpoint: '192.0.2.1:1' as AddressPort }), peerOf(2), peerOf(4)])
  const diff = diffWireGuard(desired, SECRETS.publicKey, { ...viewOf(wireguard), fwmark: 1 })
  assert.deepEqual(describeWireGuardDiff(diff), [
    { action: 'change', what: 'device', reason: 'fwmark' },
    { action: 'change', what: `peer ${keyOf(1)}`, reason: 'endpoint' },
    { action: 'change', what: `peer ${keyOf(2)}`, reason: 'preshared key, allowed ips' },
    { action: 'add', what: `peer ${keyOf(4)}`, reason: 'new' },
    { action: 'remove', what: `peer ${keyOf(3)}`, reason: 'not wanted any more' },
  ])
})
