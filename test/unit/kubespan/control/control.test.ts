import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { ControlClient, NotRunningError } from '../../../../kubespan/control/client.ts'
import { AlreadyRunningError, serveControl } from '../../../../kubespan/control/server.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { daemonView } from '../../../support/daemon-view.ts'
import { FakeDaemon } from '../../../support/fake-daemon.ts'
import { hostView } from '../../../support/host-view.ts'

function world(t: { after(clean: () => void): void }) {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-control-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'run', 'kubespan.sock')
  return { path, daemon: new FakeDaemon(), client: new ControlClient(path) }
}

test('of several that start at the same moment one has the socket, whatever a killed one left', async (t) => {
  const { path, daemon, client } = world(t)
  mkdirSync(dirname(path))
  writeFileSync(path, '')
  const started = await Promise.allSettled(Array.from({ length: 5 }, () => serveControl(path, daemon)))
  await using servers = new AsyncDisposableStack()
  for (const one of started) if (one.status === 'fulfilled') servers.use(one.value)
  assert.equal(started.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const one of started)
    if (one.status === 'rejected') assert.ok(one.reason instanceof AlreadyRunningError, String(one.reason))
  assert.equal((await client.view()).pid, daemon.current.pid)
})

test('commands reach the daemon, and its refusals come back as errors', async (t) => {
  const { path, daemon, client } = world(t)
  await using _server = await serveControl(path, daemon)
  assert.deepEqual(await client.view(), JSON.parse(JSON.stringify(daemon.current)))
  await client.reload()
  await client.leave()
  assert.deepEqual(daemon.asked, ['leave'])
  assert.deepEqual(await client.forget('gone'), ['forgot gone'])
  await assert.rejects(client.forget('never was'), /no unconfirmed affiliate is called never was/)
  assert.deepEqual(await client.resetIdentity(), { backup: '/old' })
  await assert.rejects(client.down(), /nft: busy/)
  await assert.rejects(client.reload(), /line 3: bad/)
})

test('the socket is closed to others', async (t) => {
  const { path, daemon } = world(t)
  await using _server = await serveControl(path, daemon)
  assert.equal(statSync(path).mode & 0o777, 0o660)
})

test('a watch shows every change until it is cancelled', async (t) => {
  const { path, daemon, client } = world(t)
  await using _server = await serveControl(path, daemon)
  const stop = new AbortController()
  const seen: boolean[] = []
  for await (const view of client.watch(stop.signal)) {
    seen.push(view.hasLeft)
    if (seen.length === 1) daemon.change(daemonView({ hasLeft: true }))
    else stop.abort()
  }
  assert.deepEqual(seen, [false, true])
})

test('what each source says is told to those who ask', async (t) => {
  const { path, daemon, client } = world(t)
  await using _server = await serveControl(path, daemon)
  assert.equal((await client.view()).rawAffiliates, undefined)
  const { rawAffiliates, host } = await client.view({ raw: true })
  assert.deepEqual([rawAffiliates?.map(({ rawId }) => rawId), host], [['service/x'], undefined])
})

test('the host is looked at only for those who ask', async (t) => {
  const { path, daemon, client } = world(t)
  await using _server = await serveControl(path, daemon)
  assert.equal((await client.view()).host, undefined)
  assert.deepEqual(daemon.asked, [])
  assert.deepEqual((await client.view({ host: true })).host, JSON.parse(JSON.stringify(hostView())))
  const stop = new AbortController()
  for await (const { host } of client.watch(stop.signal, { host: true })) {
    assert.equal(host?.links.length, 1)
    stop.abort()
  }
  const addresses = ['10.0.0.1', 'fd00::1'] as Address[]
  assert.deepEqual((await client.fates(addresses)).earlierRules, addresses)
  assert.deepEqual(await client.candidates('a+b='), [{ endpoint: '192.0.2.1:1', kind: 'a+b=' }])
  await assert.rejects(client.fates(['nonsense' as Address]), /addresses/)
})

test('a second daemon is told of the first; the socket of a dead one is taken over', async (t) => {
  const { path, daemon, client } = world(t)
  await assert.rejects(client.view(), NotRunningError)
  {
    await using _server = await serveControl(path, daemon)
    await assert.rejects(serveControl(path, daemon), AlreadyRunningError)
  }
  writeFileSync(path, '')
  await using _server = await serveControl(path, daemon)
  assert.equal((await client.view()).version, 'v0.1.0')
})

test('what became of every address is told once somebody has looked', async (t) => {
  const { path, daemon, client } = world(t)
  await using _server = await serveControl(path, daemon)
  await assert.rejects(client.self(), /has not looked at this host yet/)
  daemon.self = { nodename: 'box', hostname: 'box', addresses: [], leftOut: ['docker0'], warnings: [] }
  assert.deepEqual(await client.self(), daemon.self)
})
