import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Keeps no more than `max` connections. Whoever comes then takes the place of who has waited longest without having asked anything,
 * so that somebody who opens them and says nothing keeps nobody out; where all have an answer under way, the new one goes.
 */
export function limitConnections(server: Server, max: number): void {
  /** In the order in which they came, or last had an answer. */
  const waiting = new Set<Socket>()
  let open = 0
  server.on('connection', (socket: Socket) => {
    open += 1
    waiting.add(socket)
    socket.once('close', () => {
      open -= 1
      waiting.delete(socket)
    })
    if (open <= max) return
    const [longest = socket] = waiting
    waiting.delete(longest)
    longest.destroy()
  })
  server.on('request', ({ socket }, response) => {
    waiting.delete(socket)
    response.once('close', () => {
      if (!socket.destroyed) waiting.add(socket)
    })
  })
}
