import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { Responder } from './wireguard-responder.ts'

/** Whom to play. Keys are standard base64. */
export interface SimulatedPeers {
  readonly callerKey: string
  readonly presharedKey: string
  readonly peers: readonly { readonly privateKey: string; readonly port: number }[]
}

const KEEPALIVE_MS = 25_000

// Runs where the caller can reach it: the account of whom to play is in a file.
const { callerKey, presharedKey, peers } = JSON.parse(
  readFileSync(process.argv[2] ?? '', 'utf8'),
) as SimulatedPeers
await Promise.all(
  peers.map(async ({ privateKey, port }) => {
    const responder = new Responder(privateKey, callerKey, presharedKey)
    const socket = createSocket('udp4')
    let caller: { readonly port: number; readonly address: string } | undefined
    const send = (message: Buffer | undefined): void => {
      if (message !== undefined && caller !== undefined) socket.send(message, caller.port, caller.address)
    }
    socket.on('message', (message, from) => {
      caller = from
      send(responder.answer(message))
    })
    await new Promise<void>((bound) => socket.bind(port, bound))
    // Each at a time of its own, as among real nodes.
    setTimeout(
      () => setInterval(() => send(responder.keepalive()), KEEPALIVE_MS),
      Math.random() * KEEPALIVE_MS,
    )
  }),
)
process.stdout.write('ready\n')
