import { createSocket } from 'node:dgram'
import { connect, createServer, isIPv6 } from 'node:net'
import { patient } from '../support/patience.ts'
import type { Box } from './box.ts'

/**
 * Moves bytes between two boxes and says what came of it. This file is also the program that runs in the boxes:
 * `tcp-receive PORT`, `tcp-send ADDRESS PORT BYTES`, `udp-receive PORT`, `udp-send ADDRESS PORT PACKETS BYTES RATE`.
 */
export interface Transfer {
  readonly receivedBytes: number
  readonly seconds: number
}

export interface Datagrams {
  readonly sent: number
  readonly received: number
}

/** One TCP connection from `from` to the address of `to`. Resolves when the last byte has arrived. */
export async function transferTcp(
  from: Box,
  to: Box,
  address: string,
  bytes: number,
  timeoutMilliseconds = 60_000,
): Promise<Transfer> {
  const port = nextPort()
  await using receiver = to.spawn(process.execPath, [import.meta.filename, 'tcp-receive', `${port}`], {
    name: `tcp-receive-${port}`,
  })
  await receiver.waitFor(/^ready$/m)
  const startedAt = performance.now()
  await from.exec(process.execPath, [import.meta.filename, 'tcp-send', address, `${port}`, `${bytes}`], {
    timeoutMilliseconds,
  })
  const [, received] = await receiver.waitFor(/^received (\d+)$/m, timeoutMilliseconds)
  return { receivedBytes: Number(received), seconds: (performance.now() - startedAt) / 1000 }
}

export interface DatagramOptions {
  readonly packets: number
  /** Payload of each. */
  readonly bytes: number
  readonly packetsPerSecond: number
}

/** UDP packets at a steady rate; how many arrive is the answer. A send that the kernel refuses counts as sent. */
export async function sendDatagrams(
  from: Box,
  to: Box,
  address: string,
  { packets, bytes, packetsPerSecond }: DatagramOptions,
): Promise<Datagrams> {
  const port = nextPort()
  await using receiver = to.spawn(process.execPath, [import.meta.filename, 'udp-receive', `${port}`], {
    name: `udp-receive-${port}`,
  })
  await receiver.waitFor(/^ready$/m)
  const numbers = [port, packets, bytes, packetsPerSecond].map(String)
  await from.exec(process.execPath, [import.meta.filename, 'udp-send', address, ...numbers], {
    timeoutMilliseconds: (packets / packetsPerSecond) * 1000 + 30_000,
  })
  await new Promise((resolve) => setTimeout(resolve, patient(IN_FLIGHT_MILLISECONDS)))
  await receiver.stop('SIGTERM')
  return { sent: packets, received: Number(/^received (\d+)$/m.exec(receiver.output)?.[1] ?? 0) }
}

const IN_FLIGHT_MILLISECONDS = 300
const FIRST_PORT = 20_000
let ports = 0
const nextPort = (): number => FIRST_PORT + (ports++ % 10_000)

const say = (text: string): void => void process.stdout.write(`${text}\n`)

const programs: Record<string, (...args: string[]) => void> = {
  'tcp-receive'(port) {
    let received = 0
    createServer((socket) => {
      socket.on('data', (chunk) => {
        received += chunk.length
      })
      socket.on('end', () => {
        socket.end()
        say(`received ${received}`)
      })
    }).listen(Number(port), () => say('ready'))
  },

  'tcp-send'(address, port, bytes) {
    const socket = connect(Number(port), address)
    const chunk = Buffer.alloc(65_536, 'openspan ')
    let left = Number(bytes)
    const pump = (): void => {
      while (left > 0) {
        const part = chunk.subarray(0, left)
        left -= part.length
        if (!socket.write(part)) return
      }
      socket.end()
    }
    socket.on('connect', pump).on('drain', pump)
    socket.resume() // the end of the other side is how we know that all has arrived
  },

  'udp-receive'(port) {
    let received = 0
    const socket = createSocket('udp6')
    socket.on('message', () => {
      received += 1
    })
    socket.bind(Number(port), () => {
      socket.setRecvBufferSize(4_000_000)
      say('ready')
    })
    process.on('SIGTERM', () => {
      say(`received ${received}`)
      process.exit(0)
    })
  },

  'udp-send'(address = '', port, packets, bytes, rate) {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
    const payload = Buffer.alloc(Number(bytes), 'openspan ')
    const startedAt = performance.now()
    let sent = 0
    const timer = setInterval(() => {
      const due = Math.min(
        Number(packets),
        Math.ceil(((performance.now() - startedAt) / 1000) * Number(rate)),
      )
      for (; sent < due; sent += 1) socket.send(payload, Number(port), address, () => {}) // refused is lost
      if (sent < Number(packets)) return
      clearInterval(timer)
      setTimeout(() => socket.close(), 50)
    }, 2)
  },
}

if (import.meta.main) {
  const [name = '', ...args] = process.argv.slice(2)
  programs[name]?.(...args)
}
