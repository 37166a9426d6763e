import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ProxySettings } from '../../kubespan/model/proxy.ts'
import { GrpcTransport } from '../../kubespan/sources/discovery/grpc.ts'

async function problemThrough(proxyUrl: string): Promise<string> {
  const proxy = ProxySettings.fromEnvironment({ HTTPS_PROXY: proxyUrl })
  assert.ok(proxy instanceof ProxySettings)
  const transport = new GrpcTransport(
    { host: 'd.example', port: 443, plaintext: true },
    { clusterId: 'x', clientVersion: 'v1', keepalive: 10_000, rootCertificates: () => Buffer.of(), proxy },
  )
  try {
    await transport.hello(AbortSignal.timeout(10_000))
    return 'none'
  } catch (error) {
    return (error as Error).message
  } finally {
    transport.close()
  }
}

test('a proxy that refuses is named, and its password is not', async () => {
  const server = createServer().on('connect', (_, client) => client.end('HTTP/1.1 407 No\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const refused = await problemThrough(`http://user:s3cret@127.0.0.1:${port}`)
  server.close()
  assert.match(
    refused,
    /^Hello: UNAVAILABLE: Failed to connect to d\.example:443 through proxy 127\.0\.0\.1:\d+ with status 407$/,
  )
  await once(server, 'close')
  const away = await problemThrough(`http://user:s3cret@127.0.0.1:${port}`)
  assert.match(away, /^Hello: UNAVAILABLE: Failed to connect to proxy .* ECONNREFUSED/)
  for (const text of [refused, away]) assert.doesNotMatch(text, /s3cret/)
})
