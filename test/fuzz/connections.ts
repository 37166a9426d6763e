import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { clusterFrame, updateFrame } from '../bench/messages.ts'
import { addressOf, Session } from '../bench/session.ts'
import type { Abuse } from './abuse.ts'
import type { Random } from './random.ts'
import {
  callHeaders,
  FLAG,
  FRAME,
  GREETING,
  headerField,
  http2Frame,
  RESET,
  Wire,
  windowSettings,
} from './wire.ts'

/** More than the limits of IMPATIENT_FLAGS together, with what a loaded machine adds. */
const CLOSED_LIMIT_MS = 6_000

/** The stall limit, a look at it, and what a call that was ended is given to go. */
const STALLED_LIMIT_MS = 8_500

const openCall = (method: string, stream: number, flags: number = FLAG.END_HEADERS): Buffer =>
  http2Frame(FRAME.HEADERS, flags, stream, callHeaders(method))

/** A connection that says these things, and is read to its end or for a moment. */
async function say(endpoint: string, ...pieces: readonly Uint8Array[]): Promise<void> {
  using wire = await Wire.connect(endpoint)
  for (const piece of pieces) await wire.write(piece)
  await wire.closedWithin(60)
}

function randomFrames(random: Random): Buffer {
  const frames = [openCall('List', 1), http2Frame(FRAME.DATA, FLAG.END_STREAM, 1, clusterFrame('c'))]
  for (let count = random.below(12); count > 0; count -= 1) {
    const payload = random.pick([() => random.bytes(random.below(64)), () => callHeaders('Watch')])()
    frames.push(http2Frame(random.below(12), random.below(256), random.below(8), payload))
  }
  return Buffer.concat(frames)
}

const allClosed = async (wires: readonly Wire[], what: string): Promise<void> => {
  const closed = await Promise.all(wires.map((wire) => wire.closedWithin(CLOSED_LIMIT_MS)))
  for (const wire of wires) wire[Symbol.dispose]()
  assert.equal(closed.filter((is) => !is).length, 0, `${what}: connections that stay open`)
}

/** Two megabytes of news for those who watch the cluster, more than any window holds. */
async function writeMuch(endpoint: string, clusterId: string, random: Random): Promise<void> {
  using writer = await Session.connect(endpoint)
  for (let round = 0; round < 10; round += 1) {
    for (let affiliate = 0; affiliate < 100; affiliate += 1) {
      const data = random.bytes(2000)
      const update = updateFrame({ clusterId, affiliateId: `${affiliate}`, data, ttlSeconds: 1 })
      const { status, words } = await writer.call('AffiliateUpdate', update, addressOf(affiliate))
      assert.equal(status, '0', words)
    }
    await sleep(100)
  }
}

export const connectionAbuses: readonly Abuse[] = [
  {
    what: 'random and mutated HTTP/2 frames',
    run: async ({ service, random, scale }) => {
      for (let round = 0; round < 5 * scale; round += 1)
        await Promise.all(
          Array.from({ length: 40 }, () => {
            const frames = randomFrames(random)
            return random.below(2) === 0
              ? say(service.endpoint, GREETING, frames)
              : say(service.endpoint, random.mutate(Buffer.concat([GREETING, frames])))
          }),
        )
    },
  },
  {
    what: 'what is no protocol at all',
    run: async ({ service, random, scale }) => {
      for (let round = 0; round < 2 * scale; round += 1)
        await Promise.all(
          Array.from({ length: 40 }, () =>
            say(
              service.endpoint,
              random.pick([
                () => random.bytes(random.below(2000)),
                () => random.mutate(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')),
                () => Buffer.from(`GET /${'x'.repeat(100_000)} HTTP/1.1\r\n`),
                () => Buffer.from('POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n'),
              ])(),
            ),
          ),
        )
    },
  },
  {
    what: 'half-open connections: silent, half a greeting, a greeting without settings, no answer to pings',
    run: async ({ service, scale }) => {
      const starts = [Buffer.alloc(0), GREETING.subarray(0, 10), GREETING.subarray(0, 24), GREETING]
      const wires = await Promise.all(
        Array.from({ length: 100 * scale }, () => Wire.connect(service.endpoint)),
      )
      for (const [index, wire] of wires.entries()) wire.socket.write(starts[index % starts.length] as Buffer)
      await allClosed(wires, 'half-open')
    },
  },
  {
    what: 'readers that never read',
    run: async ({ service, random, scale }) => {
      const cluster = 'slow readers'
      const wires = await Promise.all(
        Array.from({ length: 20 * scale }, () => Wire.connect(service.endpoint)),
      )
      for (const [index, wire] of wires.entries()) {
        const watch = http2Frame(FRAME.DATA, FLAG.END_STREAM, 1, clusterFrame(cluster))
        await wire.write(Buffer.concat([GREETING, openCall('Watch', 1), watch]))
        if (index % 2 === 0) wire.socket.pause()
        // The others read, but give no window, and answer nothing.
        else await wire.write(windowSettings(0))
      }
      await writeMuch(service.endpoint, cluster, random)
      for (const wire of wires) wire.socket.resume()
      await allClosed(wires, 'slow readers')
    },
  },
  {
    what: 'readers that answer pings, and read nothing',
    run: async ({ service, random, scale }) => {
      const cluster = 'lazy readers'
      using session = await Session.connect(service.endpoint)
      const watches = Array.from({ length: Math.min(200, 20 * scale) }, () => {
        const watch = session.watch(clusterFrame(cluster), addressOf(1), () => {})
        watch.stream.pause()
        return watch
      })
      await writeMuch(service.endpoint, cluster, random)
      await sleep(STALLED_LIMIT_MS)
      for (const { stream } of watches) stream.resume()
      const ended = Promise.all(watches.map((watch) => watch.ended)).then(() => true)
      assert.ok(await Promise.race([ended, sleep(2_000, false)]), 'watches that nobody reads go on')
    },
  },
  {
    what: 'rapid resets of streams',
    run: async ({ service, scale }) => {
      const resets = (method: string, first: number): Buffer =>
        Buffer.concat(
          Array.from({ length: 200 }, (_, index) => {
            const stream = 2 * (first + index) + 1
            return Buffer.concat([
              openCall(method, stream),
              http2Frame(FRAME.DATA, 0, stream, clusterFrame('c')),
              http2Frame(FRAME.RST_STREAM, 0, stream, RESET),
            ])
          }),
        )
      for (const method of ['List', 'Watch', 'Nothing'])
        for (let connection = 0; connection < scale; connection += 1) {
          using wire = await Wire.connect(service.endpoint)
          await wire.write(GREETING)
          for (let round = 0; round < 15 && !wire.isClosed; round += 1)
            await wire.write(resets(method, round * 200))
          await wire.closedWithin(100)
        }
    },
  },
  {
    what: 'floods of headers',
    run: async ({ service, scale }) => {
      const many = Buffer.concat(Array.from({ length: 300 }, (_, index) => headerField(`x-${index}`, 'y')))
      const long = headerField('x-long', 'y'.repeat(15_000))
      const begin = callHeaders('List')
      for (let round = 0; round < 10 * scale; round += 1) {
        using wire = await Wire.connect(service.endpoint)
        await wire.write(GREETING)
        await wire.write(http2Frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Buffer.concat([begin, many])))
        await wire.write(http2Frame(FRAME.HEADERS, FLAG.END_HEADERS, 3, Buffer.concat([begin, long])))
        await wire.write(http2Frame(FRAME.HEADERS, 0, 5, begin))
        for (let more = 0; more < 500 && !wire.isClosed; more += 1)
          await wire.write(http2Frame(FRAME.CONTINUATION, 0, 5, long)) // and never an end of them
        await wire.closedWithin(100)
      }
    },
  },
  {
    what: 'floods of pings, settings and empty frames',
    run: async ({ service, scale }) => {
      const floods = [
        http2Frame(FRAME.PING, 0, 0, Buffer.alloc(8)),
        http2Frame(FRAME.SETTINGS, 0, 0),
        http2Frame(FRAME.PRIORITY, 0, 1, Buffer.alloc(5)),
        http2Frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 0, 1)),
        http2Frame(FRAME.DATA, 0, 1),
      ]
      for (const flood of floods)
        for (let connection = 0; connection < scale; connection += 1) {
          using wire = await Wire.connect(service.endpoint)
          await wire.write(Buffer.concat([GREETING, openCall('List', 1)]))
          wire.socket.pause() // so that answers pile up
          const piece = Buffer.concat(Array.from({ length: 1000 }, () => flood))
          for (let round = 0; round < 20 && !wire.isClosed; round += 1) await wire.write(piece)
        }
    },
  },
]
