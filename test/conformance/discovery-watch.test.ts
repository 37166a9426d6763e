import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { type ClientReadableStream, type ServiceError, status } from '@grpc/grpc-js'
import type { WatchResponse } from '../../proto/gen/cluster_pb.ts'
import { startService } from '../support/discovery-service.ts'
import { framed, outcomeOf } from '../support/raw-call.ts'
import { newCluster, Target } from './discovery-target.ts'

const target = new Target()
const TTL = { seconds: 600n }

/** What a client keeps of a Watch: the messages in short, and the table that they make. */
class Seen {
  readonly messages: string[] = []
  readonly table = new Map<string, string>()
  readonly ended: Promise<string>
  readonly #stream: ClientReadableStream<WatchResponse>
  #wake: () => void = () => {}

  constructor(stream: ClientReadableStream<WatchResponse>) {
    this.#stream = stream
    stream.on('data', ({ affiliates, deleted }: WatchResponse) => {
      this.messages.push(`${deleted ? '-' : '+'}${affiliates.map(({ id }) => id).join()}`)
      for (const { id, data, endpoints } of affiliates)
        if (deleted) this.table.delete(id)
        else
          this.table.set(
            id,
            `${Buffer.from(data)}[${endpoints.map((endpoint) => Buffer.from(endpoint)).join()}]`,
          )
      this.#wake()
    })
    this.ended = new Promise((done) => {
      stream.on('end', () => done('OK'))
      stream.on('error', (error) => {
        const { code, details } = error as ServiceError
        done(`${status[code]}: ${details}`)
      })
    })
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + 5000
    while (!isSo()) {
      assert.ok(performance.now() < deadline, `never so: ${what}; seen ${this.messages.join(' ')}`)
      await Promise.race([
        new Promise<void>((done) => {
          this.#wake = done
        }),
        new Promise((done) => setTimeout(done, 100)),
      ])
    }
  }

  cancel(): void {
    this.#stream.cancel()
  }
}

async function watchNew(): Promise<{
  clusterId: string
  client: ReturnType<typeof target.client>
  seen: Seen
  update: (affiliateId: string, data?: string, ...endpoints: string[]) => Promise<unknown>
}> {
  const clusterId = newCluster()
  const client = target.client()
  const seen = new Seen(client.watch(clusterId))
  await seen.until('the snapshot', () => seen.messages.length > 0)
  const update = (affiliateId: string, data = 'x', ...endpoints: string[]): Promise<unknown> =>
    client.update({
      clusterId,
      affiliateId,
      affiliateData: Buffer.from(data),
      affiliateEndpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
      ttl: TTL,
    })
  return { clusterId, client, seen, update }
}

test('the first message is a snapshot, also of nothing; then come changes, also one’s own', async () => {
  const { clusterId, client, seen, update } = await watchNew()
  using _client = client
  assert.deepEqual(seen.messages, ['+'])
  await update('a', 'one', 'p')
  await seen.until('the new one', () => seen.table.get('a') === 'one[p]')
  await update('a', 'two', 'q')
  await seen.until('the change, in full', () => seen.table.get('a') === 'two[p,q]')
  await client.delete(clusterId, 'a')
  await seen.until('the deletion', () => seen.table.size === 0)
  assert.deepEqual(seen.messages, ['+', '+a', '+a', '-a'])
  await update('b')
  await update('c')
  const late = new Seen(client.watch(clusterId))
  await late.until('all of it', () => late.table.size === 2)
  assert.equal(late.messages.length, 1)
})

test('refreshes that change nothing are not told (S2)', async () => {
  const { clusterId, client, seen, update } = await watchNew()
  using _client = client
  await update('a', 'one', 'p')
  for (let count = 0; count < 3; count += 1) await update('a', 'one', 'p')
  await client.update({ clusterId, affiliateId: 'a', ttl: TTL })
  await update('end')
  await seen.until('the end', () => seen.table.has('end'))
  assert.deepEqual(seen.messages.join('').match(/a/g), ['a'])
})

test('an expired endpoint goes, and its affiliate stays (S1)', async () => {
  const { clusterId, client, seen } = await watchNew()
  using _client = client
  const request = { clusterId, affiliateId: 'a', affiliateData: Buffer.from('x') }
  await client.update({ ...request, affiliateEndpoints: [Buffer.from('p')], ttl: { nanos: 300_000_000 } })
  await client.update({ ...request, affiliateEndpoints: [Buffer.from('q')], ttl: { seconds: 1n } })
  await seen.until('both', () => seen.table.get('a') === 'x[p,q]')
  await seen.until('the one that is left', () => seen.table.get('a') === 'x[q]')
  await seen.until('nothing is left', () => !seen.table.has('a'))
  assert.deepEqual(seen.messages.at(-1), '-a')
})

test('many changes come in few messages, and the end is the same (S16)', async () => {
  const { clusterId, client, seen, update } = await watchNew()
  using _client = client
  for (let count = 0; count < 50; count += 1) await update(`a${count % 10}`, `${count}`)
  await seen.until('the last', () => seen.table.get('a9') === '49[]')
  assert.equal(seen.table.size, 10)
  assert.ok(seen.messages.length < 40, `${seen.messages.length} messages`)
  const listed = await client.list(clusterId)
  assert.deepEqual(
    new Map(listed.map(({ id, data }) => [id, `${Buffer.from(data)}[]`])),
    new Map([...seen.table].sort()),
  )
})

test('an invalid cluster id is told on the stream', async () => {
  using client = target.client()
  for (const [id, want] of [
    ['', "cluster ID can't be empty"],
    ['x'.repeat(257), 'cluster ID is too long'],
  ] as const)
    assert.equal(await new Seen(client.watch(id)).ended, `INVALID_ARGUMENT: ${want}`)
})

test('a cancelled watch costs nothing more', async () => {
  const { client, seen, update } = await watchNew()
  using _client = client
  seen.cancel()
  assert.match(await seen.ended, /^CANCELLED/)
  assert.equal(await update('a').then(() => 'OK'), 'OK')
  assert.deepEqual(seen.messages, ['+'])
})

test('a deadline ends a watch as a deadline does (S19)', async () => {
  using raw = await target.raw()
  const { grpcStatus, messages } = await raw.call('Watch', framed(Buffer.from('\n\x01c')), {
    'grpc-timeout': '200m',
  })
  assert.deepEqual([grpcStatus, messages.length], ['4', 1])
})

test('who reads nothing for a while skips ahead to the newest state', async () => {
  const clusterId = newCluster()
  using raw = await target.raw()
  const stream = raw.open('Watch')
  stream.end(framed(Buffer.concat([Buffer.of(0x0a, clusterId.length), Buffer.from(clusterId)])))
  await once(stream, 'response')
  stream.pause()
  const rounds = 400
  for (let round = 0; round < rounds; round += 50) {
    using client = target.client()
    await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        client.update({
          clusterId,
          affiliateId: `a${index}`,
          affiliateData: Buffer.alloc(2000, `${round} `),
          ttl: TTL,
        }),
      ),
    )
    await new Promise((done) => setTimeout(done, 120))
  }
  const all = outcomeOf(stream)
  stream.resume()
  await new Promise((done) => setTimeout(done, 500))
  stream.close()
  const { messages } = await all
  const size = messages.reduce((total, { length }) => total + length, 0)
  assert.ok(size < (rounds * 2000) / 2, `${size} bytes`)
  assert.ok(messages.at(-1)?.includes(`${rounds - 50} ${rounds - 50} `))
})

test('a server that stops ends watches well, and soon', async () => {
  const started = await startService()
  const { ClusterClient } = await import('../support/cluster-client.ts')
  using client = new ClusterClient(started.endpoint)
  const seen = new Seen(client.watch(newCluster()))
  await seen.until('the snapshot', () => seen.messages.length > 0)
  const startedAt = performance.now()
  await started[Symbol.asyncDispose]()
  assert.equal(await seen.ended, 'OK')
  assert.ok(performance.now() - startedAt < 3000)
})
