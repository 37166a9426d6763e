import { once } from 'node:events'
import { flushCompileCache } from 'node:module'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import {
  ANSWERED_CLIENT,
  encodeCall,
  FAREWELL_OF_A_CLIENT,
  HELLO_OF_A_CLIENT,
  SETTLED_CLIENT,
} from './frames.ts'

/**
 * Clients for services that warm up: `clients.ts PORT,PORT plaintext|tls`, on loopback. They are a program of
 * their own, so that V8 gets to know the service only, and nothing of them stays in it. They say when they begin, and go
 * on until they are killed, or a service is gone.
 */
interface ClientsOrder {
  readonly ports: readonly number[]
  readonly isTls: boolean
}

const LOOPBACK = '127.0.0.1'
const CLIENTS_AT_ONCE = 10
/** One that says something new, and the same again: a node that comes back says little else. */
const UPDATES_PER_CLIENT = 2

/** The certificate is the service's own, and nothing is sent that matters: there is nobody to be sure of. */
async function open({ ports, isTls }: ClientsOrder, round: number): Promise<Socket> {
  const at = { host: LOOPBACK, port: ports[round % ports.length] as number }
  const socket = isTls ? connectTls({ ...at, ALPNProtocols: ['h2'], rejectUnauthorized: false }) : connect(at)
  await once(socket, isTls ? 'secureConnect' : 'connect')
  socket.on('error', () => {}) // after its farewell nobody listens to it any more
  return socket
}

/**
 * What a node does when it starts, and then some. All in the order of a client with Go's gRPC: in another one, properties
 * would come to Node's objects in another order, and for V8 those are other objects.
 */
async function beClient(order: ClientsOrder, round: number, index: number): Promise<Socket> {
  const socket = await open(order, round)
  const say = async (...parts: Buffer[]): Promise<void> => {
    socket.write(Buffer.concat(parts))
    await once(socket, 'data')
  }
  const ask = async (...parts: Buffer[]): Promise<void> => {
    await say(...parts)
    await say(ANSWERED_CLIENT)
  }
  const address = `10.${round & 255}.0.${index}`
  const cluster = `cluster ${round}`
  const affiliate = `affiliate ${index}`
  let stream = 1
  const call = (method: string, fields: Parameters<typeof encodeCall>[3]): Buffer => {
    stream += 2
    return encodeCall(stream - 2, method, address, fields)
  }
  await say(HELLO_OF_A_CLIENT)
  await ask(SETTLED_CLIENT, call('Hello', [cluster, 'v1.2.3']))
  await ask(call('Watch', [cluster]))
  for (let count = 0; count < UPDATES_PER_CLIENT; count += 1) {
    const data = Buffer.alloc(400, count >> 1) // every other one is the same again
    const ttl = Buffer.of(0x08, 0x3c)
    const endpoints = [Buffer.alloc(24, 1), Buffer.alloc(24, 2)]
    await ask(call('AffiliateUpdate', [cluster, affiliate, data, endpoints, ttl]))
  }
  await ask(call('List', [cluster]))
  return socket
}

flushCompileCache() // its end is always a sudden one
process.stdout.write('ready\n')
const [ports = '', how] = process.argv.slice(2)
const order: ClientsOrder = { ports: ports.split(',').map(Number), isTls: how === 'tls' }
for (let round = 0; ; round += 1) {
  const clients = Array.from({ length: CLIENTS_AT_ONCE }, (_, index) => beClient(order, round, index))
  for (const socket of await Promise.all(clients)) socket.end(FAREWELL_OF_A_CLIENT)
}
