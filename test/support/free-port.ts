import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below what kernels give out by themselves (from 32768): between the look and the use, a connection of somebody else would
 * take one of those.
 */
const [FIRST, LAST] = [12_000, 32_000]
const given = new Set<number>()

const BIND = {
  tcp: (port: number) => createServer().listen(port, '127.0.0.1'),
  udp: (port: number) => createSocket('udp4').bind(port, '127.0.0.1'),
}

/** A port of loopback that nobody has at this moment, and that this process has not been given before. */
export async function freePort(protocol: keyof typeof BIND = 'tcp'): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (given.has(port)) continue
    given.add(port)
    if (await isFree(protocol, port)) return port
  }
}

async function isFree(protocol: keyof typeof BIND, port: number): Promise<boolean> {
  const socket = BIND[protocol](port)
  try {
    await once(socket, 'listening')
  } catch {
    return false
  }
  await new Promise<void>((closed) => socket.close(() => closed()))
  return true
}
