import assert from 'node:assert/strict'
import type { OutgoingHttpHeaders } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterFrame, deleteFrame, frame, helloFrame, updateFrame } from '../bench/messages.ts'
import { outcomeOf, RawClient, type RawOutcome } from '../support/raw-call.ts'
import type { Abuse, Ground } from './abuse.ts'
import type { Random } from './random.ts'

const METHODS = ['Hello', 'AffiliateUpdate', 'AffiliateDelete', 'List', 'Watch'] as const
const ANSWER_LIMIT_MS = 5_000
const CLUSTER = 'abused'

/** Good messages, to be made bad. */
const seeds = (random: Random): readonly Buffer[] => [
  clusterFrame(CLUSTER),
  helloFrame(CLUSTER),
  deleteFrame(CLUSTER, 'affiliate'),
  updateFrame({
    clusterId: CLUSTER,
    affiliateId: `affiliate ${random.below(10)}`,
    data: random.bytes(100),
    endpoints: [random.bytes(20), random.bytes(20)],
    ttlSeconds: 1,
  }),
]

async function answerTo(client: RawClient, method: string, body: Buffer, headers: OutgoingHttpHeaders = {}) {
  const stream = client.open(method, headers)
  const outcome = outcomeOf(stream)
  stream.end(body)
  if (method === 'Watch') setTimeout(() => stream.close(8), 100).unref() // a good one would go on
  const late = sleep(ANSWER_LIMIT_MS, undefined, { ref: false }).then(() => undefined)
  const answer = await Promise.race([outcome, late])
  assert.ok(answer !== undefined, `no answer to ${method} of ${body.subarray(0, 200).toString('hex')}`)
  return answer
}

/** gRPC's status, or what HTTP/2 said instead. */
const wordOf = ({ grpcStatus, httpStatus, rstCode }: RawOutcome): string =>
  grpcStatus ?? `HTTP ${httpStatus}, reset ${rstCode}`

const expectAll = async (
  { service }: Ground,
  wanted: string,
  calls: readonly { method?: string; body: Buffer; headers?: OutgoingHttpHeaders }[],
): Promise<void> => {
  using client = await RawClient.connect(service.endpoint)
  for (const { method = 'List', body, headers } of calls)
    assert.equal(wordOf(await answerTo(client, method, body, headers)), wanted, body.toString('hex', 0, 60))
}

const BATCH = 50

export const messageAbuses: readonly Abuse[] = [
  {
    what: 'random and mutated messages',
    run: async ({ service, random, scale }) => {
      using client = await RawClient.connect(service.endpoint)
      const statuses = new Set<string>()
      for (let batch = 0; batch < 40 * scale; batch += 1)
        await Promise.all(
          Array.from({ length: BATCH }, async () => {
            const good = random.pick(seeds(random))
            const body = random.pick([
              () => random.mutate(good),
              () => frame(random.mutate(good.subarray(5))),
              () => frame(random.bytes(random.below(300))),
              () => random.bytes(random.below(300)),
            ])()
            statuses.add(wordOf(await answerTo(client, random.pick(METHODS), body)))
          }),
        )
      for (const wanted of ['0', '3', '12', '13']) assert.ok(statuses.has(wanted), `never saw ${wanted}`)
      for (const status of statuses) assert.match(status, /^\d+$|reset 8/, 'every call ends with a status')
    },
  },
  {
    what: 'truncated messages',
    run: (ground) => {
      const [good] = seeds(ground.random)
      assert.ok(good !== undefined)
      const bodies = Array.from({ length: good.length }, (_, length) => ({ body: good.subarray(0, length) }))
      return expectAll(ground, '13', bodies)
    },
  },
  {
    what: 'messages that are too long, or say they are',
    run: (ground) => {
      const heads = ['0000400001', '007fffffff', '00ffffffff'].map((hex) => Buffer.from(hex, 'hex'))
      return expectAll(
        ground,
        '8',
        heads.flatMap((head) => [{ body: head }, { body: Buffer.concat([head, Buffer.alloc(100_000)]) }]),
      )
    },
  },
  {
    what: 'compressed messages',
    run: (ground) =>
      expectAll(
        ground,
        '12',
        seeds(ground.random).map((body) => ({
          body: Buffer.concat([Buffer.of(1), body.subarray(1)]),
          headers: { 'grpc-encoding': 'gzip' },
        })),
      ),
  },
  {
    what: 'text that is no UTF-8',
    run: (ground) =>
      expectAll(
        ground,
        '3',
        ['c0af', 'eda080', 'f4908080', 'ff', '80', 'e282'].flatMap((hex) => {
          const bad = Buffer.from(hex, 'hex')
          const text = (tag: number): Buffer => Buffer.concat([Buffer.of(tag, bad.length), bad])
          return [
            { body: frame(text(0x0a)) },
            { method: 'Watch', body: frame(text(0x0a)) },
            { method: 'AffiliateUpdate', body: frame(Buffer.concat([Buffer.from('\n\x01c'), text(0x12)])) },
            { method: 'Hello', body: frame(Buffer.concat([Buffer.from('\n\x01c'), text(0x12)])) },
          ]
        }),
      ),
  },
  {
    what: 'wrong content types',
    run: async ({ service }) => {
      using client = await RawClient.connect(service.endpoint)
      const types = [
        'text/html',
        'application/grpc-web',
        'application/json',
        '',
        'application/grpcx',
        '\t;;,',
      ]
      for (const type of types)
        for (const method of METHODS) {
          const answer = await answerTo(client, method, clusterFrame(CLUSTER), { 'content-type': type })
          assert.equal(answer.grpcStatus, undefined, type)
          assert.match(String(answer.httpStatus), /^4\d\d$/, type)
        }
    },
  },
  {
    what: 'messages that never end, on every stream that may be open',
    run: async ({ service, scale }) => {
      const head = Buffer.from('0000400000', 'hex')
      const piece = Buffer.alloc(1_000_000) // one for all: this process shall not hold what the service must not
      const clients = await Promise.all(
        Array.from({ length: 2 * scale }, () => RawClient.connect(service.endpoint)),
      )
      for (const client of clients)
        for (let count = 0; count < 250; count += 1) {
          const stream = client.open('AffiliateUpdate')
          stream.on('error', () => {})
          stream.write(head)
          stream.write(piece)
        }
      await sleep(2_000)
      for (const client of clients) client[Symbol.dispose]()
    },
  },
  {
    what: 'a message in single bytes, many at a time',
    run: async ({ service }) => {
      using client = await RawClient.connect(service.endpoint)
      const body = frame(
        Buffer.concat([Buffer.from('\n\x01c'), Buffer.from('7a8001', 'hex'), Buffer.alloc(128)]),
      )
      await Promise.all(
        Array.from({ length: 100 }, async () => {
          const stream = client.open('List')
          const outcome = outcomeOf(stream)
          for (const byte of body) stream.write(Buffer.of(byte))
          stream.end()
          assert.equal(wordOf(await outcome), '0')
        }),
      )
    },
  },
]
