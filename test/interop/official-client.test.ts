import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { type GoClientOptions, GoClients, type GoNode, missingGo } from './go-client.ts'

/** Our server under the official Go client, as it stands in nodes in the field. */
const skip = missingGo() ?? false

const CERTIFICATE = ['-certificate-path=test/support/tls/one.crt', '-key-path=test/support/tls/one.key']

const node = (id: string, n = 1): GoNode => ({
  nodeId: id,
  hostname: `host-${id}`,
  nodename: `node-${id}`,
  machineType: 'worker',
  operatingSystem: 'Linux',
  addresses: [`10.0.0.${n}`, `2001:db8::${n}`],
  kubespan: {
    publicKey: Buffer.alloc(32, n).toString('base64'),
    address: `fd00::${n}`,
    additionalAddresses: [`10.244.${n}.0/24`],
    excludeAdvertisedAddresses: ['192.168.0.0/16'],
  },
  controlPlane: { port: 6443 },
  endpoints: [`192.0.2.${n}:51820`, `[2001:db8::${n}]:51820`],
})

const identity = (): Pick<GoClientOptions, 'cluster' | 'secret'> => ({
  cluster: randomBytes(32).toString('base64'),
  secret: randomBytes(32).toString('base64'),
})

const ids = (nodes: readonly GoNode[]): string => nodes.map(({ nodeId }) => nodeId).join(' ')

interface Transport {
  readonly how: string
  readonly flags: readonly string[]
  /** How clients reach the service. */
  readonly reach: (service: DiscoveryProcess) => Pick<GoClientOptions, 'endpoint' | 'ca'>
}

const TRANSPORTS: readonly Transport[] = [
  { how: 'plaintext', flags: [], reach: ({ endpoint }) => ({ endpoint }) },
  {
    how: 'TLS',
    flags: CERTIFICATE,
    reach: ({ port }) => ({ endpoint: `localhost:${port}`, ca: 'test/support/tls/one.crt' }),
  },
]

for (const { how, flags, reach } of TRANSPORTS) {
  test(`over ${how}: join, update, leave, expire`, { skip }, async () => {
    await using service = await DiscoveryProcess.start('-gc-interval=200ms', ...flags)
    await using clients = await GoClients.start()
    const options = { ...reach(service), ...identity(), ttl: '3s' }
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      clients.join(id, options)
      clients.publish(id, node(id, index + 1))
    }
    await clients.until('everybody sees the others', () =>
      ['a', 'b', 'c'].every((id) => clients.seenBy(id).length === 2),
    )
    assert.deepEqual(clients.seenBy('c'), [node('a', 1), node('b', 2)], 'whole, and as it was published')
    assert.equal(clients.publicIpOf('a'), '127.0.0.1')

    clients.publish('a', { ...node('a', 9), endpoints: ['198.51.100.7:51820'] })
    await clients.until('the others see the update', () =>
      ['b', 'c'].every((id) => clients.seenBy(id)[0]?.kubespan?.address === 'fd00::9'),
    )
    assert.ok(clients.seenBy('b')[0]?.endpoints?.includes('198.51.100.7:51820'))

    clients.leave('b')
    await clients.until(
      'who left is gone',
      () => ids(clients.seenBy('a')) === 'c' && ids(clients.seenBy('c')) === 'a',
    )

    await clients.stop('c')
    assert.equal(ids(clients.seenBy('a')), 'c', 'who only fell silent is not gone yet')
    await clients.until('it expires', () => ids(clients.seenBy('a')) === '')
    assert.equal(ids(clients.seenBy('a')), '')
  })

  test(`over ${how}, a redirect: clients go to the new server, and the old one can stop well`, {
    skip,
  }, async () => {
    await using old = await DiscoveryProcess.start(...flags)
    await using next = await DiscoveryProcess.start(...flags)
    await using clients = await GoClients.start()
    const options = { ...reach(old), ...identity(), ttl: '3s' }
    for (const id of ['a', 'b']) {
      clients.join(id, options)
      clients.publish(id, node(id))
    }
    await clients.until('they meet at the old server', () => ids(clients.seenBy('a')) === 'b')
    assert.equal((await old.stop()).code, 0)

    await using redirecting = await DiscoveryProcess.startAt(
      old.port,
      `-redirect-endpoint=${reach(next).endpoint}`,
      ...flags,
    )
    const isInUse = (service: DiscoveryProcess): boolean =>
      service.log.filter(({ method, code }) => method === 'AffiliateUpdate' && code === 'OK').length >= 2
    clients.publish('a', node('a', 2))
    await clients.until(
      'they meet at the new server',
      () => isInUse(next) && clients.seenBy('b')[0]?.addresses?.[0] === '10.0.0.2',
    )
    assert.equal(isInUse(redirecting), false)
    const { code, took } = await redirecting.stop()
    assert.equal(code, 0)
    assert.ok(took < 3_000, `the old server took ${took} ms to stop with nobody there`)
    clients.publish('b', node('b', 3))
    await clients.until(
      'they do not need it any more',
      () => clients.seenBy('a')[0]?.addresses?.[0] === '10.0.0.3',
    )
  })

  test(`over ${how}, 50 clients see each other within 5 s`, { skip }, async () => {
    await using service = await DiscoveryProcess.start('-rate-limit=0', ...flags)
    await using clients = await GoClients.start()
    const options = { ...reach(service), ...identity(), ttl: '60s' }
    const names = Array.from({ length: 50 }, (_, n) => `node-${n}`)
    for (const [index, id] of names.entries()) {
      clients.join(id, options)
      clients.publish(id, node(id, index + 1))
    }
    await clients.until('each sees 49', () => names.every((id) => clients.seenBy(id).length === 49), 5_000)
  })
}
