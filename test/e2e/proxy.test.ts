import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { INTERNET_V4 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { LabDiscovery } from '../lab/discovery.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { startProxy } from '../lab/proxy.ts'
import { publicHost, topology } from '../lab/topology.ts'
import {
  afterPeriod,
  assertNoneLost,
  assertReaches,
  eventually,
  FAST,
  PATIENCE_MS,
  skip,
  steadyPing,
  ulaOf,
} from './story.ts'

const TLS = join(import.meta.dirname, '../support/tls')
const NAME = 'discovery.example'
const PORT = 3443
const PROXY_PORT = 3128
const CREDENTIALS = 'lab:s3cret-of-the-proxy'
/** The addresses of the service and of the proxy on the internet server, and where the service moves to. */
const [HERE, PROXY, THERE] = [INTERNET_V4, '192.0.2.9', '192.0.2.10']

const bypassOf = async (host: LabHost): Promise<string> =>
  (await host.exec('nft', ['list', 'set', 'inet', 'openspan', 'bypass_v4'])).stdout

test('a service with TLS, an authority of its own, a name, and a proxy before it', { skip }, async (t) => {
  const names = ['a', 'b', 'c', 'd']
  await using lab = await Lab.create(topology({ hosts: names.map((name) => publicHost(name)) }), {
    prefix: 'e2eproxy',
  })
  const [a, b, c, d] = names.map((name) => lab.host(name))
  assert.ok(a && b && c && d)
  for (const address of [PROXY, THERE])
    await lab.internet.exec('ip', ['addr', 'add', `${address}/24`, 'dev', 'eth0'])
  const resolveTo = (address: string): void => {
    for (const box of [...lab.hosts, lab.internet])
      writeFileSync(box.hostsFile, `127.0.0.1 localhost\n${address} ${NAME}\n${PROXY} proxy.example\n`)
  }
  resolveTo(HERE)
  const flags = ['-certificate-path', join(TLS, 'lab.crt'), '-key-path', join(TLS, 'lab.key')]
  await using service = await new LabDiscovery(lab.internet, { port: PORT, flags }).start()
  await using proxy = await startProxy(lab.internet, PROXY_PORT, CREDENTIALS)
  const proxyUrl = `http://${CREDENTIALS}@proxy.example:${PROXY_PORT}`
  // b and d get to the service through the proxy only.
  for (const host of [b, d])
    await host.exec('nft', ['-f', '-'], {
      input: `table inet story {
        chain out {
          type filter hook output priority 0
          ip daddr { ${HERE}, ${THERE} } tcp dport ${PORT} reject with tcp reset
        }
      }`,
    })

  await using mesh = new Mesh(lab, {
    timing: FAST,
    services: [`https://${NAME}:${PORT}`],
    documents: () => ({ NodeConfig: { caFile: join(TLS, 'lab.crt') } }),
  })
  mesh.startDaemon(a)
  mesh.startDaemon(b, [], { env: { HTTPS_PROXY: proxyUrl } })
  mesh.startDaemon(c, [], {
    env: { https_proxy: 'http://nowhere.example:1', NO_PROXY: `10.0.0.0/8, .${NAME.slice(10)}` },
  })
  mesh.startDaemon(d, [], { env: { https_proxy: proxyUrl, no_proxy: 'other.example' } })
  await mesh.full(PATIENCE_MS)

  await t.test('who needs the proxy goes through it, and others do not', async () => {
    const { output } = proxy
    assert.match(output, new RegExp(`^connected ${NAME}:${PORT}$`, 'm'))
    assert.doesNotMatch(output, /refused/)
    for (const host of [a, c]) assert.match(await bypassOf(host), new RegExp(`${HERE} \\. ${PORT}`))
    for (const host of [b, d]) {
      assert.match(await bypassOf(host), new RegExp(`${PROXY} \\. ${PROXY_PORT}`))
      assert.doesNotMatch(await bypassOf(host), new RegExp(`${HERE} \\. ${PORT}`))
    }
  })

  await t.test('the password of the proxy is nowhere to be read', async () => {
    const report = join(b.directory, 'report.tar.gz')
    const env = { HTTPS_PROXY: proxyUrl }
    const told = [
      await mesh.kubespan(b, ['status', '-o', 'json'], { env }),
      await mesh.kubespan(b, ['config', 'show', '-o', 'json'], { env }),
      await mesh.kubespan(b, ['doctor'], { env, check: false }),
      await mesh.kubespan(b, ['bugreport', '--file', report], { env }),
    ]
    assert.match(told[1]?.stdout ?? '', /http:\/\/proxy\.example:3128/)
    assert.match(told[2]?.stdout ?? '', /answers \(through the proxy proxy\.example:3128/)
    const texts = told.map(({ stdout, stderr }) => stdout + stderr)
    for (const text of [...texts, gunzipSync(readFileSync(report)).toString('latin1'), mesh.daemon(b).output])
      assert.ok(!text.includes('s3cret'))
  })

  await t.test('without the authority nobody believes the service', async () => {
    mesh.writeConfig(c, { NodeConfig: { caFile: join(TLS, 'one.crt') } })
    const view = await mesh.until(
      c,
      ({ services }) => services[0]?.connected === false && /certificate/.test(services[0].problem ?? ''),
      PATIENCE_MS,
    )
    assert.ok(isUp(view, 'a'), 'its tunnels stay')
    mesh.writeConfig(c)
    await mesh.until(c, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
  })

  await t.test('the service moves behind its name: those who talk to it follow', async () => {
    const pinger = await steadyPing(a, await ulaOf(mesh, b))
    await service.stop('SIGKILL')
    await lab.internet.exec('nft', ['-f', '-'], {
      input: `table inet moved {
        chain in {
          type filter hook input priority 0
          ip daddr ${HERE} tcp dport ${PORT} reject with tcp reset
        }
      }`,
    })
    resolveTo(THERE)
    await service.start()
    for (const host of lab.hosts)
      await mesh.until(host, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
    await eventually(
      'the way past the tunnel follows',
      () => bypassOf(a),
      (text) => text.includes(`${THERE} . ${PORT}`) && !text.includes(HERE),
    )
    await afterPeriod(mesh, a)
    await assertNoneLost(pinger)
    await assertReaches(c, [await ulaOf(mesh, d)])
  })

  await t.test('without a daemon the record is taken out through the proxy as well', async () => {
    await mesh.daemon(d).stop('SIGKILL')
    const direct = await mesh.kubespan(d, ['leave'], { check: false })
    assert.equal(direct.code, 1)
    assert.match(direct.stderr, /could not be deleted/)
    await mesh.kubespan(d, ['leave'], { env: { https_proxy: proxyUrl } })
    await mesh.until(
      a,
      ({ affiliates }) =>
        affiliates.every(({ nodename, unconfirmedUntil }) => nodename !== 'd' || unconfirmedUntil != null),
      PATIENCE_MS,
    )
  })
})
