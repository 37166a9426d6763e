import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { addressFromBytes } from '../../shared/net/address.ts'
import { ClusterClient } from '../support/cluster-client.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'
import { PROXIES, RunningProxy, SILENCE_MS, unpackedProxies } from '../support/proxies/proxies.ts'

/** The configurations on the page for operators, as Debian's nginx and HAProxy take them, in front of the service. */
const skip = whyNoPrivateHost(['ip', 'apt-get'])
const packages = skip === undefined ? unpackedProxies() : ''
if (skip === undefined) enterPrivateHost(fileURLToPath(import.meta.url))

const SERVICE_PORT = 3000
const STARTS_WITHIN_MS = 10_000
const [CERTIFICATE, KEY] = ['test/support/tls/lab.crt', 'test/support/tls/lab.key']
/** In the certificate. */
const NAME = 'discovery.example'
/** Of this host. A connection to one of them comes from it, while the proxy itself speaks to the service from 127.0.0.1. */
const CLIENTS = ['192.0.2.10', '2001:db8::10']

before(() => {
  if (skip !== undefined) return
  execFileSync('ip', ['address', 'add', `${CLIENTS[0]}/32`, 'dev', 'lo'])
  execFileSync('ip', ['address', 'add', `${CLIENTS[1]}/128`, 'dev', 'lo', 'nodad'])
  writeFileSync('/run/hosts', '')
  execFileSync('mount', ['--bind', '/run/hosts', '/etc/hosts'])
})

async function listens(address: string, proxy: RunningProxy): Promise<void> {
  const deadline = performance.now() + STARTS_WITHIN_MS
  for (;;) {
    const socket = connect(443, address)
    try {
      await once(socket, 'connect')
      return
    } catch {
      assert.ok(proxy.isRunning && performance.now() < deadline, proxy.output)
      await sleep(20)
    } finally {
      socket.destroy()
    }
  }
}

for (const kind of PROXIES)
  for (const address of CLIENTS)
    test(`${kind.name} as the page has it, for a client at ${address}`, { skip }, async () => {
      writeFileSync('/run/hosts', `${address} ${NAME}\n`)
      await using _ = await DiscoveryProcess.startAt(SERVICE_PORT)
      await using proxy = new RunningProxy(kind, packages, CERTIFICATE, KEY)
      await listens(address, proxy)
      // Whatever a client claims to be, the proxy knows better.
      const metadata = { 'x-real-ip': '203.0.113.66', 'x-forwarded-for': '203.0.113.66' }
      using client = new ClusterClient(`${NAME}:443`, { ca: readFileSync(CERTIFICATE), metadata })

      const hello = await client.hello('cluster')
      assert.equal(addressFromBytes(hello.clientIp), address)

      const watch = client.watch('cluster')
      const messages = watch[Symbol.asyncIterator]()
      await messages.next()
      await sleep(SILENCE_MS)
      await client.update({ clusterId: 'cluster', affiliateId: 'one', ttl: { seconds: 60n } })
      const { value } = await messages.next()
      assert.deepEqual(
        value.affiliates.map(({ id }: { id: string }) => id),
        ['one'],
      )
      watch.on('error', () => {})
      watch.cancel()
      assert.doesNotMatch(proxy.output, /warn|alert|emerg|error/i)
    })
