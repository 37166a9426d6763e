import { chmodSync } from 'node:fs'
import { constants, createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer as createSocketServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { create, toBinary } from '@bufbuild/protobuf'
import { HelloResponseSchema } from '../../proto/gen/cluster_pb.ts'
import { type Address, addressToBytes, parseAddress, unmapped } from '../../shared/net/address.ts'
import { framed } from '../support/raw-call.ts'
import { answer, begin, compressedFrame, messageOf } from './framing.ts'
import type { Behaviour, Order, SealedRecord, Sight } from './orders.ts'
import { emptyRecords, idToDelete, Records, watchMessage } from './records.ts'

/**
 * A discovery service that does what a test tells it: honest until then, for one cluster, without limits. It runs as a
 * process of its own: `service.ts PORT SOCKET`. The socket takes one order per connection, as JSON, and answers with
 * what it sees; see orders.ts.
 */

/** More than this is not sent to somebody who reads nothing: it would only be memory of this process. */
const UNREAD_MAX_BYTES = 128 << 20

class HostileService {
  readonly #records = new Records()
  readonly #watchers = new Set<ServerHttp2Stream>()
  readonly #sessions = new Set<ServerHttp2Session>()
  readonly #repeating = new Set<NodeJS.Timeout>()
  #behaviour: Behaviour = {}
  #hellos = 0
  #updates = 0
  #said = 0
  #held = 0

  async serve(stream: ServerHttp2Stream, path: string): Promise<void> {
    stream.on('error', () => {}) // whoever called has gone
    const message = await messageOf(stream)
    switch (path.split('/').at(-1)) {
      case 'Hello':
        this.#hellos += 1
        return await answer(stream, this.#behaviour.hello ?? 'properly', framed(this.#helloTo(stream)))
      case 'AffiliateUpdate':
        this.#updates += 1
        if (!this.#behaviour.swallows) this.#take(this.#records.updated(message))
        return await answer(stream, this.#behaviour.update ?? 'properly', NOTHING)
      case 'AffiliateDelete':
        if (!this.#behaviour.swallows) this.#delete(idToDelete(message))
        return await answer(stream, this.#behaviour.update ?? 'properly', NOTHING)
      case 'Watch':
        return await this.#watch(stream)
      default:
        return await answer(stream, { status: UNIMPLEMENTED, text: path }, NOTHING)
    }
  }

  welcome(session: ServerHttp2Session): void {
    this.#sessions.add(session)
    session.on('close', () => this.#sessions.delete(session))
  }

  obey(order: Order): Sight {
    switch (order.do) {
      case 'behave':
        this.#behaviour = order.as
        break
      case 'say deleted':
        this.#say(watchMessage(order.ids?.map(bare) ?? this.#records.all, true))
        break
      case 'say present':
        this.#say(watchMessage(this.#records.of(order.ids)))
        break
      case 'say':
        this.#say(watchMessage(order.records))
        break
      case 'take':
        for (const record of order.records) this.#take(record)
        break
      case 'delete':
        for (const id of order.ids) this.#delete(id)
        break
      case 'replay': {
        const record = this.#records.state(order.id, order.place)
        if (record === undefined) throw new RangeError(`there is no state ${order.place} of ${order.id}`)
        this.#say(watchMessage([record]))
        break
      }
      case 'say swapped':
        this.#say(watchMessage(swapped(this.#records.all)))
        break
      case 'end watches':
        // What nobody reads would have to be read before the end.
        for (const watcher of this.#watchers)
          if (watcher.writableLength > 0) watcher.close(constants.NGHTTP2_CANCEL)
          else watcher.end()
        break
      case 'end connections':
        for (const session of this.#sessions) session.destroy()
        break
      case 'say empty':
        this.#say(emptyRecords(order.records))
        break
      case 'say bytes':
        this.#say(Buffer.from(order.bytes, 'base64'))
        break
      case 'together':
        for (const one of order.orders) this.obey(one)
        break
      case 'repeat':
        this.#repeat(order)
        break
      case 'stop repeating':
        this.#repeating.forEach(clearInterval)
        this.#repeating.clear()
        break
      case 'look':
        break
    }
    return this.#sight
  }

  get #sight(): Sight {
    return {
      hellos: this.#hellos,
      updates: this.#updates,
      watchers: this.#watchers.size,
      said: this.#said,
      held: this.#held,
      records: this.#records.all,
      states: this.#records.states,
    }
  }

  #repeat({ orders, everyMilliseconds, atOnce = 1 }: Order & { readonly do: 'repeat' }): void {
    const startedAt = performance.now()
    let next = 0
    // Ticks that come late are made up for.
    const timer = setInterval(() => {
      const due = Math.floor((performance.now() - startedAt) / everyMilliseconds) * atOnce
      for (; next < due; next += 1) {
        const order = orders[next % orders.length]
        if (order !== undefined) this.obey(order)
      }
    }, everyMilliseconds)
    this.#repeating.add(timer)
  }

  #helloTo({ session }: ServerHttp2Stream): Uint8Array {
    const { clientIp, redirect } = this.#behaviour
    const caller = parseAddress(session?.socket.remoteAddress ?? '')
    return toBinary(
      HelloResponseSchema,
      create(HelloResponseSchema, {
        clientIp: clientIp === undefined ? bytesOf(caller) : new Uint8Array(Buffer.from(clientIp, 'hex')),
        ...(redirect !== undefined && { redirect: { endpoint: redirect } }),
      }),
    )
  }

  async #watch(stream: ServerHttp2Stream): Promise<void> {
    const { watch = 'properly', compresses = false, emptyRecords: empty = 0 } = this.#behaviour
    const snapshot = watchMessage(this.#records.all.filter(({ id }) => !this.#withholds(id)))
    if (watch !== 'properly') return await answer(stream, watch, framed(snapshot))
    begin(stream, { compresses })
    stream.write(compresses ? compressedFrame(snapshot) : framed(snapshot))
    if (empty > 0) stream.write(emptyFrame(empty, compresses))
    this.#watchers.add(stream)
    stream.on('close', () => this.#watchers.delete(stream))
  }

  #withholds(id: string): boolean {
    const { withholds = [] } = this.#behaviour
    return withholds === 'all' || withholds.includes(id)
  }

  #take(record: SealedRecord): void {
    this.#records.take(record)
    if (!this.#withholds(record.id)) this.#say(watchMessage([record]))
  }

  #delete(id: string): void {
    if (this.#records.delete(id) && !this.#withholds(id)) this.#say(watchMessage([bare(id)], true))
  }

  #say(message: Uint8Array): void {
    const frame = this.#behaviour.compresses ? compressedFrame(message) : framed(message)
    for (const watcher of this.#watchers) {
      const isUnread = watcher.writableLength > UNREAD_MAX_BYTES
      this.#held += isUnread ? 1 : 0
      if (isUnread || watcher.destroyed || watcher.writableEnded) continue
      this.#said += 1
      watcher.write(frame)
    }
  }
}

const UNIMPLEMENTED = 12
const NOTHING = framed(new Uint8Array())
const bytesOf = (address: Address | undefined): Uint8Array =>
  address === undefined ? new Uint8Array() : addressToBytes(unmapped(address))
const bare = (id: string): SealedRecord => ({ id, data: '', endpoints: [] })

const swapped = (records: readonly SealedRecord[]): readonly SealedRecord[] =>
  records.map((record, place) => ({
    ...record,
    endpoints: records[(place + 1) % records.length]?.endpoints ?? [],
  }))

const emptyFrames = new Map<string, Buffer>()
/** Made once: to compress a large one takes a second. */
function emptyFrame(count: number, compresses: boolean): Buffer {
  const key = `${count} ${compresses}`
  const frame = emptyFrames.get(key) ?? (compresses ? compressedFrame : framed)(emptyRecords(count))
  emptyFrames.set(key, frame)
  return frame
}

/** The answer to an order, as JSON: what the service sees, or what is wrong with the order. */
function reply(service: HostileService, json: string): string {
  try {
    return JSON.stringify(service.obey(JSON.parse(json) as Order))
  } catch (error) {
    return JSON.stringify({ error: String(error) })
  }
}

const [port, socketPath = ''] = process.argv.slice(2)
const service = new HostileService()
createServer({ maxSettings: 1000 })
  .on('stream', (stream, headers) => {
    service.serve(stream, headers[':path'] ?? '').catch(() => stream.destroy())
  })
  .on('session', (session) => service.welcome(session))
  .on('sessionError', () => {})
  .listen(Number(port))
createSocketServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  text(socket).then(
    (json) => socket.end(reply(service, json)),
    () => socket.destroy(),
  )
}).listen(socketPath, () => chmodSync(socketPath, 0o600))
