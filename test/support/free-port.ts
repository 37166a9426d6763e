import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Below what kernels give out by themselves (from 32768): between the look and the use, a connection of somebody else would
 * take one of those.
 */
const [FIRST, LAST] = [12_000, 32_000]
const given = new Set<number>()

/** A port of loopback that nobody has at this moment, and that this process has not been given before. */
export async function freePort(protocol: 'tcp' | 'udp' = 'tcp'): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST))
    if (given.has(port)) continue
    given.add(port)
    if (await (protocol === 'tcp' ? isFreeTcp(port) : isFreeUdp(port))) return port
  }
}

async function isFreeTcp(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  return await isBound(once(server, 'listening'), () => server.close())
}

async function isFreeUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4').bind(port, '127.0.0.1')
  return await isBound(once(socket, 'listening'), () => socket.close())
}

async function isBound(
  binding: Promise<unknown>,
  close: () => { once(event: 'close', listener: () => void): unknown },
) {
  try {
    await binding
  } catch {
    return false
  }
  await new Promise<void>((closed) => close().once('close', closed))
  return true
}
