import { createSocket, type Socket } from 'node:dgram'
import { type AddressPort, familyOf, splitAddressPort } from '../../shared/net/address.ts'

/** The sockets of races: loopback ones that the kernel is sent to, and a pair that copies leave by. */
export interface RaceSockets extends AsyncDisposable {
  /** The port of a new socket on 127.0.0.1; what WireGuard sends there is handed on, and the kernel lets nobody else speak to it. */
  openRelay(onPacket: (packet: Uint8Array) => void): Promise<{ readonly port: number; close(): void }>
  /** Sends one packet. What cannot be sent, to a family that this host lacks, is lost as packets are. */
  send(packet: Uint8Array, to: AddressPort): void
}

/**
 * `port` is the source port of all copies, which the nft table rewrites to WireGuard's own, `listenPort`.
 * @throws when the port is taken
 */
export async function openRaceSockets(port: number, listenPort: number): Promise<RaceSockets> {
  const out = { 4: await bind('udp4', port), 6: await bind('udp6', port).catch(() => undefined) }
  const relays = new Set<Socket>()
  return {
    async openRelay(onPacket) {
      const relay = await bind('udp4', 0, LOOPBACK)
      await connect(relay, listenPort)
      relays.add(relay)
      relay.on('message', onPacket)
      return {
        port: relay.address().port,
        close: () => {
          if (relays.delete(relay)) relay.close()
        },
      }
    },
    send(packet, to) {
      const { address, port: goal } = splitAddressPort(to)
      out[familyOf(to)]?.send(packet, goal, address, () => {})
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [out[4], out[6], ...relays]) socket?.close()
    },
  }
}

const LOOPBACK = '127.0.0.1'

/** Packets of others are refused before they reach the socket, so they neither arrive nor fill its buffer. */
function connect(socket: Socket, port: number): Promise<void> {
  return new Promise((resolve) => socket.connect(port, LOOPBACK, () => resolve()))
}

function bind(type: 'udp4' | 'udp6', port: number, address?: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type, ipv6Only: type === 'udp6' })
    socket.once('error', reject)
    socket.bind(port, address, () => {
      socket.off('error', reject)
      socket.on('error', () => {}) // ICMP errors of single packets
      resolve(socket)
    })
  })
}
