import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DiscoveryClient } from '../../kubespan/sources/discovery/client.ts'
import { GrpcTransport } from '../../kubespan/sources/discovery/grpc.ts'
import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import { systemClock } from '../../shared/clock.ts'
import type { Address, AddressPort, Prefix } from '../../shared/net/address.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { GoClients, type GoNode, missingGo } from './go-client.ts'

/** The client of our daemon and the official one, with our server between them. */
const skip = missingGo() ?? false

const THEIRS: GoNode = {
  nodeId: 'theirs',
  hostname: 'host-theirs',
  nodename: 'node-theirs',
  machineType: 'controlplane',
  operatingSystem: 'Linux',
  addresses: ['10.0.0.1', '2001:db8::1'],
  kubespan: {
    publicKey: Buffer.alloc(32, 1).toString('base64'),
    address: 'fd00::1',
    additionalAddresses: ['10.244.1.0/24'],
    excludeAdvertisedAddresses: ['192.168.0.0/16'],
  },
  controlPlane: { port: 6443 },
  endpoints: ['192.0.2.1:51820', '[2001:db8::1]:51820'],
}

const ours = (address: string): Affiliate => ({
  nodeId: 'ours',
  hostname: 'host-ours',
  nodename: 'node-ours',
  machineType: 'worker',
  operatingSystem: 'Debian',
  addresses: [address, '2001:db8::2'] as Address[],
  kubespan: {
    publicKey: Buffer.alloc(32, 2).toString('base64'),
    address: 'fd00::2' as Address,
    additionalAddresses: ['10.244.2.0/24'] as Prefix[],
    excludeAdvertisedNetworks: [],
    endpoints: ['192.0.2.2:51820', '[2001:db8::2]:51820'] as AddressPort[],
  },
  controlPlane: undefined,
})

test('the official client and ours see each other, and who falls silent drops out by TTL', {
  skip,
}, async () => {
  await using service = await DiscoveryProcess.start('-gc-interval=200ms')
  await using go = await GoClients.start()
  const [cluster, secret] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')]
  const key = ClusterKey.fromSecret(secret)
  assert.ok(key)
  const quiet = (): void => {}
  await using client = new DiscoveryClient({
    name: 'test',
    endpoint: { host: '127.0.0.1', port: service.port, plaintext: true },
    ownId: 'ours',
    key,
    ttl: 3_000,
    clock: systemClock,
    backoff: () => 100,
    onChange: quiet,
    log: { info: quiet, warn: quiet },
    dial: (endpoint) =>
      new GrpcTransport(endpoint, {
        clusterId: cluster,
        clientVersion: 'v0.0.0',
        keepalive: 10_000,
        rootCertificates: () => Buffer.alloc(0),
        proxy: undefined,
      }),
  })
  const seen = (): Affiliate | undefined => client.table.affiliates.get('theirs')?.affiliate
  client.publish(ours('10.0.0.2'))
  client.start()
  go.join('theirs', { endpoint: service.endpoint, cluster, secret, ttl: '3s' })
  go.publish('theirs', THEIRS)

  await go.until('each sees the other', () => seen() !== undefined && go.seenBy('theirs').length === 1)
  await go.until('with endpoints', () => seen()?.kubespan.endpoints.length === 2)
  assert.deepEqual(seen(), {
    nodeId: 'theirs',
    hostname: 'host-theirs',
    nodename: 'node-theirs',
    machineType: 'controlplane',
    operatingSystem: 'Linux',
    addresses: ['10.0.0.1', '2001:db8::1'],
    kubespan: {
      publicKey: THEIRS.kubespan?.publicKey,
      address: 'fd00::1',
      additionalAddresses: ['10.244.1.0/24'],
      excludeAdvertisedNetworks: ['192.168.0.0/16'],
      endpoints: ['192.0.2.1:51820', '[2001:db8::1]:51820'],
    },
    controlPlane: { port: 6443 },
  })
  const [other] = go.seenBy('theirs')
  assert.equal(other?.nodename, 'node-ours')
  assert.equal(other?.kubespan?.address, 'fd00::2')
  assert.deepEqual(other?.kubespan?.additionalAddresses, ['10.244.2.0/24'])
  assert.deepEqual([...(other?.endpoints ?? [])].sort(), ['192.0.2.2:51820', '[2001:db8::2]:51820'])
  assert.deepEqual(client.status.publicAddresses, [], 'it tells loopback, which is of no use to a peer')

  client.publish(ours('10.0.0.9'))
  await go.until('our update arrives', () => go.seenBy('theirs')[0]?.addresses?.[0] === '10.0.0.9')

  await go.stop('theirs')
  assert.ok(seen(), 'who only fell silent is not gone yet')
  await go.until('it expires', () => seen() === undefined)
  assert.equal(client.status.connected, true)

  go.join('again', { endpoint: service.endpoint, cluster, secret, ttl: '3s' })
  go.publish('again', { ...THEIRS, nodeId: 'again' })
  await go.until('we are still there', () => go.seenBy('again')[0]?.nodeId === 'ours')
  await client.leave()
  await go.until('we leave', () => go.seenBy('again').length === 0)
})
