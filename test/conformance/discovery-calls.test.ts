import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ServiceError, status } from '@grpc/grpc-js'
import type { Affiliate } from '../../proto/gen/cluster_pb.ts'
import { newAddress, newCluster, Target } from './discovery-target.ts'

const target = new Target()
const TTL = { seconds: 600n }

/** `code: message`, or `OK`. */
async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'OK'
  } catch (error) {
    const { code, details } = error as ServiceError
    return `${status[code]}: ${details}`
  }
}

const show = ({ id, data, endpoints }: Affiliate): string =>
  `${id}=${Buffer.from(data)}[${endpoints.map((endpoint) => Buffer.from(endpoint)).join()}]`

const bytes = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

for (const [said, want] of [
  ['192.0.2.7', 'c0000207'],
  ['2001:db8::7', '20010db8000000000000000000000007'],
  ['::ffff:192.0.2.7', 'c0000207'],
] as const)
  test(`Hello tells a client at ${said} its address`, async () => {
    using client = target.client(said)
    const { clientIp, redirect } = await client.hello(newCluster())
    assert.equal(Buffer.from(clientIp).toString('hex'), want)
    assert.equal(redirect, undefined)
  })

test('what is announced is listed, and endpoints add up', async () => {
  using client = target.client()
  const clusterId = newCluster()
  const update = (affiliateId: string, data: string | undefined, ...endpoints: string[]) =>
    client.update({
      clusterId,
      affiliateId,
      ...(data !== undefined && { affiliateData: Buffer.from(data) }),
      affiliateEndpoints: bytes(...endpoints),
      ttl: TTL,
    })
  assert.deepEqual(await client.list(clusterId), [])
  await update('a', 'one', 'x')
  await update('b', undefined, 'z')
  await update('a', undefined, 'y', 'x')
  await update('b', '')
  assert.deepEqual((await client.list(clusterId)).map(show).sort(), ['a=one[x,y]', 'b=[z]'])
  await update('a', 'two')
  await client.delete(clusterId, 'b')
  await client.delete(clusterId, 'b')
  await client.delete(clusterId, 'never there')
  assert.deepEqual((await client.list(clusterId)).map(show), ['a=two[x,y]'])
  assert.deepEqual(await client.list(newCluster()), [])
})

const long = 'x'.repeat(257)
const refused: { request: Parameters<ReturnType<typeof target.client>['update']>[0]; want: string }[] = [
  { request: {}, want: "cluster ID can't be empty" },
  { request: { clusterId: long }, want: 'cluster ID is too long' },
  { request: { clusterId: 'ü'.repeat(129) }, want: 'cluster ID is too long' },
  { request: { clusterId: 'c' }, want: "affiliate ID can't be empty" },
  { request: { clusterId: 'c', affiliateId: long }, want: 'affiliate ID is too long' },
  {
    request: { clusterId: 'c', affiliateId: 'a', affiliateData: Buffer.alloc(2049) },
    want: 'affiliate data is too big',
  },
  {
    request: { clusterId: 'c', affiliateId: 'a', affiliateEndpoints: [Buffer.alloc(33)] },
    want: 'affiliate endpoint is too big',
  },
  {
    request: { clusterId: 'c', affiliateId: 'a', affiliateEndpoints: [Buffer.alloc(0)] },
    want: "affiliate endpoint can't be empty",
  },
  {
    request: { clusterId: 'c', affiliateId: 'a', ttl: { seconds: 1800n, nanos: 1 } },
    want: 'ttl is too large',
  },
]
for (const { request, want } of refused)
  test(`refused: ${want}`, async () => {
    using client = target.client()
    assert.equal(await outcome(client.update(request)), `INVALID_ARGUMENT: ${want}`)
    if (!want.startsWith('cluster')) return
    const clusterId = request.clusterId ?? ''
    for (const call of [client.hello(clusterId), client.list(clusterId), client.delete(clusterId, 'a')])
      assert.equal(await outcome(call), `INVALID_ARGUMENT: ${want}`)
  })

test('what is just within the limits is taken', async () => {
  using client = target.client()
  const request = {
    clusterId: `${newCluster()}${'x'.repeat(256)}`.slice(0, 256),
    affiliateId: 'ü'.repeat(128),
    affiliateData: Buffer.alloc(2048, 1),
    affiliateEndpoints: Array.from({ length: 64 }, (_, index) => Buffer.alloc(32, index)),
    ttl: { seconds: 1800n },
  }
  assert.equal(await outcome(client.update(request)), 'OK')
  const [affiliate] = await client.list(request.clusterId)
  assert.equal(affiliate?.id, request.affiliateId)
  assert.equal(affiliate?.endpoints.length, 64)
})

test('a 65th endpoint is refused, and nothing of that call counts (S3)', async () => {
  using client = target.client()
  const clusterId = newCluster()
  const many = Array.from({ length: 65 }, (_, index) => Buffer.from(`${index}`))
  const request = { clusterId, affiliateId: 'a', ttl: TTL }
  const full = 'RESOURCE_EXHAUSTED: too many endpoints in the affiliate'
  assert.equal(await outcome(client.update({ ...request, affiliateEndpoints: many })), full)
  assert.deepEqual(await client.list(clusterId), [])
  await client.update({ ...request, affiliateData: Buffer.from('one'), affiliateEndpoints: many.slice(1) })
  const further = { ...request, affiliateData: Buffer.from('two'), affiliateEndpoints: many }
  assert.equal(await outcome(client.update(further)), full)
  assert.equal(Buffer.from((await client.list(clusterId))[0]?.data ?? []).toString(), 'one')
})

test('a 1025th affiliate is refused', async () => {
  const clusterId = newCluster()
  let number = 0
  while (number < 1024) {
    using client = target.client()
    const batch = Array.from({ length: Math.min(50, 1024 - number) }, () =>
      client.update({ clusterId, affiliateId: `a${number++}`, ttl: TTL }),
    )
    await Promise.all(batch)
  }
  using client = target.client()
  const update = (affiliateId: string) => outcome(client.update({ clusterId, affiliateId, ttl: TTL }))
  assert.equal(await update('one more'), 'RESOURCE_EXHAUSTED: too many affiliates in the cluster')
  assert.equal(await update('a7'), 'OK')
  await client.delete(clusterId, 'a7')
  assert.equal(await update('one more'), 'OK')
  assert.equal((await client.list(clusterId)).length, 1024)
})

for (const [name, ttl] of [
  ['none', undefined],
  ['zero', {}],
  ['a negative one', { seconds: -5n }],
  ['a short one', { nanos: 150_000_000 }],
] as const)
  test(`an affiliate with ${name} for its ttl goes with the next collection`, async () => {
    using client = target.client()
    const clusterId = newCluster()
    await client.update({ clusterId, affiliateId: 'a', ...(ttl !== undefined && { ttl }) })
    const deadline = performance.now() + 5000
    while ((await client.list(clusterId)).length > 0) {
      assert.ok(performance.now() < deadline, 'it stays')
      await new Promise((done) => setTimeout(done, 200))
    }
  })

test('more calls than the rate allows wait for their turn', async () => {
  using client = target.client()
  const clusterId = newCluster()
  const startedAt = performance.now()
  const answers = await Promise.all(Array.from({ length: 75 }, () => outcome(client.list(clusterId))))
  const took = performance.now() - startedAt
  assert.deepEqual(new Set(answers), new Set(['OK']))
  assert.ok(took > 800, `75 calls took ${took} ms`)
})

test('a call that would wait beyond its deadline is refused at once', async () => {
  const address = newAddress()
  using client = target.client(address)
  const clusterId = newCluster()
  using raw = await target.raw()
  await client.list(clusterId) // it is connected
  const others = Array.from({ length: 90 }, () => outcome(client.list(clusterId)))
  await new Promise((done) => setTimeout(done, 100))
  const startedAt = performance.now()
  const { grpcStatus, grpcMessage } = await raw.call('List', Buffer.from('00000000030a0163', 'hex'), {
    'x-real-ip': address,
    'grpc-timeout': '500m',
  })
  assert.deepEqual([grpcStatus, grpcMessage], ['8', 'rate limit exceeds request timeout'])
  assert.ok(performance.now() - startedAt < 400)
  await Promise.all(others)
})
