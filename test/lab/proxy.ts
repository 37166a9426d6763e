import { createServer } from 'node:http'
import { connect } from 'node:net'
import type { Box } from './box.ts'
import { waitForListener } from './discovery.ts'
import type { LabProcess } from './process.ts'

/**
 * An HTTP proxy in a box of the lab: CONNECT for those who know the credentials, a line of output for each. This file is
 * also the program that runs in the box: `PORT USER:PASSWORD`.
 */
export async function startProxy(box: Box, port: number, credentials: string): Promise<LabProcess> {
  const proxy = box.spawn(process.execPath, [import.meta.filename, `${port}`, credentials], { name: 'proxy' })
  await waitForListener(box, proxy, port)
  return proxy
}

function serve(port: number, credentials: string): void {
  const wanted = `Basic ${Buffer.from(credentials).toString('base64')}`
  createServer()
    .on('connect', ({ url = '', headers }, client) => {
      const isKnown = headers['proxy-authorization'] === wanted
      process.stdout.write(`${isKnown ? 'connected' : 'refused'} ${url}\n`)
      if (!isKnown) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      const goal = new URL(`http://${url}`)
      const server = connect(Number(goal.port || 80), goal.hostname.replace(/^\[|\]$/g, ''), () => {
        client.write('HTTP/1.1 200 Connection established\r\n\r\n')
        client.pipe(server).pipe(client)
      })
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy())
    })
    .listen(port)
}

if (import.meta.main) serve(Number(process.argv[2]), process.argv[3] ?? '')
