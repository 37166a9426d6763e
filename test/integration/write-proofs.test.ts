import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GrpcTransport } from '../../kubespan/sources/discovery/grpc.ts'
import type { HelloAnswer } from '../../kubespan/sources/discovery/transport.ts'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import { WriteKey } from '../../shared/identity/write-key.ts'
import { ClusterClient } from '../support/cluster-client.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { patient } from '../support/patience.ts'
import { RedisServer } from '../support/store/redis-server.ts'

const CA = 'test/support/tls/one.crt'
const TLS = [`-certificate-path=${CA}`, '-key-path=test/support/tls/one.key']
/** Else loopback is a proxy. */
const NO_PROXIES = '-trusted-proxies=192.0.2.0/24'
const CLUSTER = 'the id of a cluster'
const KEY = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 1).toString('base64')) as ClusterKey)
const OTHER = WriteKey.of(ClusterKey.fromSecret(Buffer.alloc(32, 2).toString('base64')) as ClusterKey)
const NOT_A_MEMBER = /PERMISSION_DENIED: a member of the cluster wrote this/

/** A node of ours, with as much of its daemon as speaks to the service. */
class Node implements Disposable {
  readonly transport: GrpcTransport

  constructor(
    port: number,
    isTls: boolean,
    key: WriteKey | undefined,
    host = isTls ? 'localhost' : '127.0.0.1',
  ) {
    this.transport = new GrpcTransport(
      { host, port, plaintext: !isTls },
      {
        clusterId: CLUSTER,
        clientVersion: 'v1.2.3',
        keepalive: 10_000,
        rootCertificates: () => CERTIFICATE,
        proxy: undefined,
        ...(key !== undefined && { proofs: { key, wall: Date.now } }),
      },
    )
  }

  hello(): Promise<HelloAnswer> {
    return this.transport.hello(AbortSignal.timeout(patient(5000)))
  }

  async proof(): Promise<string | undefined> {
    const { proof } = await this.hello()
    return proof?.kind === 'refused' ? `refused: ${proof.why}` : proof?.kind
  }

  put(affiliateId: string, data = 'x'): Promise<void> {
    const update = { affiliateId, data: Buffer.from(data), endpoints: [], ttl: 60_000 }
    return this.transport.update(update, AbortSignal.timeout(patient(5000)))
  }

  remove(affiliateId: string): Promise<void> {
    return this.transport.remove(affiliateId, AbortSignal.timeout(patient(5000)))
  }

  [Symbol.dispose](): void {
    this.transport.close()
  }
}

const CERTIFICATE = await readFile(CA)

for (const [name, flags, isTls] of [
  ['over TLS', [...TLS, NO_PROXIES], true],
  ['over TLS through a proxy', TLS, true],
  ['in plaintext', [], false],
] as const)
  test(`${name} what a member wrote nobody else changes or deletes`, async () => {
    await using service = await DiscoveryProcess.start(...flags)
    using member = new Node(service.port, isTls, KEY)
    using other = new Node(service.port, isTls, OTHER)
    using stock = new Node(service.port, isTls, undefined)
    assert.equal(await member.proof(), 'accepted')
    await member.put('a')
    assert.match((await other.proof()) ?? '', /^refused: it is of another write key/)
    assert.equal(await stock.proof(), undefined)
    for (const stranger of [other, stock]) {
      await assert.rejects(stranger.put('a', 'y'), NOT_A_MEMBER)
      await assert.rejects(stranger.remove('a'), NOT_A_MEMBER)
      await stranger.put('of its own')
      await stranger.remove('of its own')
    }
    await member.put('a', 'z')
    await member.remove('a')
  })

test('a proof that was given to a service of another name is worth nothing here', async () => {
  await using service = await DiscoveryProcess.start('-authority=d.example')
  using member = new Node(service.port, false, KEY)
  assert.match((await member.proof()) ?? '', /^refused: it is for a service of another name/)
})

test('members-only serves nobody else, not even a list', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'proofs-'))
  const list = join(directory, 'clusters')
  const hash = createHash('sha256').update(CLUSTER).digest('hex')
  await writeFile(list, `${hash}  ${KEY.publicKey}  members-only\n`)
  try {
    for (const [flags, isTls] of [
      [[...TLS, NO_PROXIES], true],
      [[], false],
    ] as const) {
      await using service = await DiscoveryProcess.start(`-allowed-clusters=${list}`, ...flags)
      using member = new Node(service.port, isTls, KEY)
      assert.equal(await member.proof(), 'accepted')
      await member.put('a')
      const stop = new AbortController()
      for await (const { affiliates } of member.transport.watch(stop.signal)) {
        assert.deepEqual(
          affiliates.map(({ id }) => id),
          ['a'],
        )
        stop.abort()
      }
      using stranger = new ClusterClient(`localhost:${service.port}`, isTls ? { ca: CERTIFICATE } : {})
      const refused = /PERMISSION_DENIED: this service wants a proof of membership/
      await assert.rejects(stranger.list(CLUSTER), refused)
      await assert.rejects(stranger.hello(CLUSTER), refused)
      const failed = new Promise<Error>((resolve) => stranger.watch(CLUSTER).on('error', resolve).resume())
      assert.match(String(await failed), refused)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('a service that starts again knows the keys of its clusters and what members have written', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'proofs-'))
  const flags = [`-snapshot-path=${join(directory, 'state')}`, '-snapshots-enabled=true']
  try {
    {
      await using service = await DiscoveryProcess.start(...flags)
      using member = new Node(service.port, false, KEY)
      await member.put('a')
      await service.stop()
    }
    await using service = await DiscoveryProcess.start(...flags)
    using stranger = new Node(service.port, false, OTHER)
    assert.match((await stranger.proof()) ?? '', /another write key/)
    await assert.rejects(stranger.remove('a'), NOT_A_MEMBER)
    using member = new Node(service.port, false, KEY)
    await member.remove('a')
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('replicas on one Redis know the same keys', async () => {
  await using redis = await RedisServer.start()
  await using first = await DiscoveryProcess.start(`-store=redis+unix:${redis.path}`)
  await using second = await DiscoveryProcess.start(`-store=redis+unix:${redis.path}`)
  using member = new Node(first.port, false, KEY)
  await member.put('a')
  using stranger = new Node(second.port, false, OTHER)
  assert.match((await stranger.proof()) ?? '', /another write key/)
  await assert.rejects(stranger.put('a', 'y'), NOT_A_MEMBER)
  using again = new Node(second.port, false, KEY)
  assert.equal(await again.proof(), 'accepted')
  await again.put('a', 'z')
})

test('a Redis that comes back empty is given back the keys of clusters that somebody watches', async () => {
  await using redis = await RedisServer.start()
  await using service = await DiscoveryProcess.start(`-store=redis+unix:${redis.path}`)
  await using other = await DiscoveryProcess.start(`-store=redis+unix:${redis.path}`)
  using member = new Node(service.port, false, KEY)
  using watcher = new ClusterClient(service.endpoint)
  await member.put('a')
  const watch = watcher.watch(CLUSTER).on('error', () => {})
  await once(watch, 'data')
  await redis.stop()
  await redis.start()
  using stranger = new Node(other.port, false, OTHER)
  const until = performance.now() + patient(15_000)
  let outcome = ''
  while (!NOT_A_MEMBER.test(outcome) && performance.now() < until)
    outcome = await stranger.remove('a').then(() => 'deleted', String)
  assert.match(outcome, NOT_A_MEMBER)
  watch.cancel()
})
