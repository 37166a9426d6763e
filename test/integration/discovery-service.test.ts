import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type StatusObject, status } from '@grpc/grpc-js'
import { ClusterClient } from '../support/cluster-client.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'
import { freePort } from '../support/free-port.ts'
import { framed, RawClient } from '../support/raw-call.ts'

type Watch = ReturnType<ClusterClient['watch']>

const MINUTE = { seconds: 60n }
const hashOf = (id: string): string => createHash('sha256').update(id).digest('hex')

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'service-'))
  await run(directory).finally(() => rm(directory, { recursive: true }))
}

const announce = (client: ClusterClient, clusterId: string, affiliateId: string): Promise<unknown> =>
  client.update({ clusterId, affiliateId, affiliateData: Buffer.from(affiliateId), ttl: MINUTE })

const codeOf = async (call: Promise<unknown>): Promise<status | undefined> => {
  try {
    await call
    return status.OK
  } catch (error) {
    return (error as { code?: status }).code
  }
}

const fetchText = async (url: string): Promise<string> => (await fetch(url)).text()

/** One page over HTTP/2, where fetch only speaks HTTP/1.1. */
async function fetchHttp2(origin: string, path: string, ca?: Buffer): Promise<string> {
  const session = connect(origin, ca === undefined ? {} : { ca })
  const stream = session.request({ ':path': path }).setEncoding('utf8')
  let text = ''
  for await (const chunk of stream) text += chunk
  session.close()
  return text
}

test('one port serves calls, health and pages; the others what they are for', async () => {
  const [landing, metrics] = [await freePort(), await freePort()]
  await using service = await DiscoveryProcess.start(
    `-landing-addr=127.0.0.1:${landing}`,
    `-metrics-addr=127.0.0.1:${metrics}`,
  )
  using client = new ClusterClient(service.endpoint)
  await client.hello('cluster', 'v1.9.3-alpha')
  await announce(client, 'cluster', 'node-1')
  assert.equal((await client.list('cluster')).length, 1)
  assert.deepEqual(
    await Promise.all([client.health(), client.health('sidero.discovery.server.Cluster')]),
    [1, 1],
  )
  assert.equal(await codeOf(client.health('other')), status.NOT_FOUND)
  for (const page of [
    await fetchText(`http://${service.endpoint}/inspect?clusterID=cluster`),
    await fetchHttp2(`http://${service.endpoint}`, '/inspect?clusterID=cluster'),
    await fetchText(`http://127.0.0.1:${landing}/inspect?clusterID=cluster`),
  ])
    assert.match(page, /<code>node-1<\/code>/)
  assert.equal(await fetchText(`http://127.0.0.1:${metrics}/readyz`), 'ready\n')
  const exposed = await fetchText(`http://127.0.0.1:${metrics}/metrics`)
  for (const line of [
    'discovery_server_hello_requests_total{client_version="v1.9-pre"} 1',
    'discovery_state_affiliates 1',
    'grpc_server_handled_total{grpc_type="unary",grpc_service="sidero.discovery.server.Cluster",grpc_method="List",grpc_code="OK"} 1',
    'discovery_state_warm 0',
  ])
    assert.ok(exposed.includes(`\n${line}\n`), line)
  assert.match(exposed, /^nodejs_eventloop_lag_seconds /m)
  assert.equal(JSON.stringify(service.log).includes('"cluster":"cluster"'), false)
})

test('no second HTTP client is loaded (shared/node-http.ts)', async () => {
  const look = `import './discovery/service.ts'
    console.log(process.moduleLoadList.filter((name) => name.includes('undici')).length)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', look])
  assert.equal(stdout, '0\n')
})

test('the same under TLS', async () => {
  const ca = await readFile('test/support/tls/one.crt')
  await using service = await DiscoveryProcess.start(
    '-certificate-path=test/support/tls/one.crt',
    '-key-path=test/support/tls/one.key',
  )
  using client = new ClusterClient(`localhost:${service.port}`, { ca })
  await announce(client, 'cluster', 'node-1')
  assert.match(
    await fetchHttp2(`https://localhost:${service.port}`, '/inspect?clusterID=cluster', ca),
    /node-1/,
  )
})

test('what was saved is there at once after a restart, and a broken file is kept', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'deep', 'state.binpb')
    const flags = ['-snapshots-enabled=true', `-snapshot-path=${path}`]
    {
      await using service = await DiscoveryProcess.start(...flags)
      using client = new ClusterClient(service.endpoint)
      await Promise.all(['a', 'b'].map((id) => announce(client, 'cluster', id)))
      assert.equal((await service.stop()).code, 0)
    }
    {
      await using service = await DiscoveryProcess.start(...flags)
      using client = new ClusterClient(service.endpoint)
      const watch = client.watch('cluster')
      const [first] = await once(watch, 'data')
      assert.equal(first.affiliates.length, 2, 'all that was known, in the first message')
      watch.on('error', () => {}).cancel()
      await service.stop()
    }
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from([0xff])]))
    const broken = await readFile(path)
    await using service = await DiscoveryProcess.start(...flags)
    using client = new ClusterClient(service.endpoint)
    assert.equal((await client.list('cluster')).length, 2)
    await service.stop()
    assert.deepEqual(await readFile(`${path}.unreadable`), broken)
  }))

test('a state that cannot be saved, or not in time, is a failure', (t) =>
  inDirectory(async (directory) => {
    const file = join(directory, 'a file')
    await writeFile(file, '')
    const ends = async (path: string): Promise<{ code: number | null; took: number }> => {
      await using service = await DiscoveryProcess.start('-snapshots-enabled=true', `-snapshot-path=${path}`)
      return await service.stop()
    }
    // To make a directory there takes Node for ever.
    const [impossible, endless] = await Promise.all([
      ends(join(file, 'state.binpb')),
      ends('/proc/none/state.binpb'),
    ])
    assert.equal(impossible.code, 1)
    assert.equal(endless.code, 1)
    t.diagnostic(`given up after ${endless.took} ms`)
    assert.ok(endless.took < 15_000)
  }))

test('the snapshot of another server of the protocol loads', () =>
  inDirectory(async (directory) => {
    const path = join(directory, 'state.binpb')
    await cp('test/vectors/snapshot.binpb', path)
    await using service = await DiscoveryProcess.start('-snapshots-enabled=true', `-snapshot-path=${path}`)
    using client = new ClusterClient(service.endpoint)
    assert.ok((await client.list('cluster-vectors-1')).length > 0)
  }))

test('a shutdown ends watches well, and takes no longer than it may', async () => {
  await using service = await DiscoveryProcess.start()
  using client = new ClusterClient(service.endpoint)
  const watches = Array.from({ length: 20 }, () => client.watch('cluster'))
  const ends = watches.map((watch) => once(watch.resume(), 'status'))
  await Promise.all(watches.map((watch) => once(watch, 'metadata')))
  const { code, took } = await service.stop()
  assert.equal(code, 0)
  assert.ok(took < 6_000, `${took} ms`)
  for (const [end] of await Promise.all(ends)) assert.equal(end.code, status.OK)
})

test('a watcher that reads nothing does not hold up a shutdown (S18), whatever the signal', () =>
  inDirectory(async (directory) => {
    const flags = [
      '-snapshots-enabled=true',
      `-snapshot-path=${join(directory, 'state.binpb')}`,
      '-rate-limit=0',
    ]
    await using service = await DiscoveryProcess.start(...flags)
    using client = new ClusterClient(service.endpoint)
    for (let count = 0; count < 100; count += 1)
      await client.update({
        clusterId: 'cluster',
        affiliateId: `node-${count}`,
        affiliateData: Buffer.alloc(2048, count),
        ttl: MINUTE,
      })
    using unread = await RawClient.connect(service.endpoint)
    const stream = unread.open('Watch').end(framed(Buffer.from('\n\x07cluster')))
    await once(stream, 'response') // a window of 64 KiB, 200 KiB to send, and nobody takes it
    const { code, took } = await service.stop('SIGINT')
    assert.equal(code, 0)
    assert.ok(took < 6_000, `${took} ms`)
    await using again = await DiscoveryProcess.start(...flags)
    using other = new ClusterClient(again.endpoint)
    assert.equal((await other.list('cluster')).length, 100)
  }))

test('forwarded addresses are believed from trusted proxies only', async () => {
  const metadata = { 'x-real-ip': '203.0.113.9' }
  for (const [flags, address] of [
    [[], [203, 0, 113, 9]],
    [['-trusted-proxies=10.0.0.0/8'], [127, 0, 0, 1]],
    [['-trust-x-real-ip=false'], [127, 0, 0, 1]],
    [['-report-client-ip=false'], []],
  ] as const) {
    await using service = await DiscoveryProcess.start(...flags)
    using client = new ClusterClient(service.endpoint, { metadata })
    for (let n = 0; n < 3; n++) assert.deepEqual([...(await client.hello('c')).clientIp], address)
    const warnings = service.log.filter(({ msg }) => String(msg).includes('-trusted-proxies'))
    assert.equal(warnings.length, flags[0] === '-trusted-proxies=10.0.0.0/8' ? 1 : 0)
  }
})

test('a forwarded address is told as the client has it, however the proxy spells it', async () => {
  await using service = await DiscoveryProcess.start()
  for (const [metadata, told] of [
    [{ 'x-real-ip': '::ffff:203.0.113.7' }, [203, 0, 113, 7]],
    [{ 'x-forwarded-for': '203.0.113.7:4711' }, [203, 0, 113, 7]],
    [{ 'x-forwarded-for': '[2001:db8::7]:4711' }, [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 7]],
    [{ 'x-forwarded-for': '[2001:db8::7]' }, [0x20, 1, 0xd, 0xb8, ...Array(11).fill(0), 7]],
  ] as const) {
    using client = new ClusterClient(service.endpoint, { metadata })
    assert.deepEqual([...(await client.hello('c')).clientIp], told)
  }
})

test('only allowed clusters are served, as the file says at the time', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'allowed')
    await writeFile(file, `one\n${hashOf('two')}\n`)
    await using service = await DiscoveryProcess.start(`-allowed-clusters=${file}`)
    using client = new ClusterClient(service.endpoint)
    assert.equal(await codeOf(announce(client, 'one', 'a')), status.OK)
    assert.equal(await codeOf(client.hello('two')), status.OK)
    assert.equal(await codeOf(client.list('three')), status.PERMISSION_DENIED)
    const [one, two] = ['one', 'two'].map((id) => client.watch(id).on('error', () => {})) as [Watch, Watch]
    await Promise.all([once(one, 'data'), once(two, 'data')])
    const ended = new Promise<StatusObject>((done) => one.resume().once('status', done))
    await writeFile(file, `three\n${hashOf('two')}\n`)
    assert.equal((await ended).code, status.PERMISSION_DENIED)
    for (let turn = 0; turn < 200 && (await codeOf(client.list('three'))) !== status.OK; turn++)
      await sleep(20)
    assert.equal(await codeOf(client.list('three')), status.OK)
    assert.equal(await codeOf(client.list('one')), status.PERMISSION_DENIED)
    const told = once(two, 'data')
    await announce(client, 'two', 'b')
    assert.equal((await told)[0].affiliates[0].id, 'b', 'who may stay is told of what comes')
    two.cancel()
    await writeFile(file, `one\n`)
    for (let turn = 0; turn < 200 && (await codeOf(client.list('one'))) !== status.OK; turn++) await sleep(20)
    assert.equal((await client.list('one')).length, 1, 'what was known is there until it expires')
  }))

test('without memory for new clusters, those that exist go on', () =>
  inDirectory(async (directory) => {
    await using service = await DiscoveryProcess.start('-memory-limit=1M')
    using client = new ClusterClient(service.endpoint)
    assert.equal(await codeOf(announce(client, 'new', 'a')), status.RESOURCE_EXHAUSTED)
    await service.stop()
    const path = join(directory, 'state.binpb')
    await cp('test/vectors/snapshot.binpb', path)
    const flags = ['-snapshots-enabled=true', `-snapshot-path=${path}`]
    await using full = await DiscoveryProcess.start('-memory-limit=1M', ...flags)
    using other = new ClusterClient(full.endpoint)
    assert.equal(await codeOf(announce(other, 'cluster-vectors-1', 'a')), status.OK)
    assert.equal(await codeOf(announce(other, 'new', 'a')), status.RESOURCE_EXHAUSTED)
  }))

test('one address brings so many clusters to life', async () => {
  await using service = await DiscoveryProcess.start('-max-clusters-per-address=2')
  using client = new ClusterClient(service.endpoint)
  const codes = await Promise.all(['1', '2', '3'].map((id) => codeOf(announce(client, id, 'a'))))
  assert.deepEqual(codes, [status.OK, status.OK, status.RESOURCE_EXHAUSTED])
  assert.equal(await codeOf(announce(client, '1', 'b')), status.OK)
})

test('an operator looks and forgets by the command', () =>
  inDirectory(async (directory) => {
    const socket = `unix:${join(directory, 'admin.sock')}`
    await using service = await DiscoveryProcess.start(`-admin-addr=${socket}`)
    using client = new ClusterClient(service.endpoint)
    await announce(client, 'one', 'a')
    await announce(client, 'one', 'b')
    const watch = client.watch('one')
    await once(watch, 'data')
    const admin = async (...words: readonly string[]): Promise<string> => {
      const run = promisify(execFile)
      const { stdout } = await run(process.execPath, [
        'discovery/main.ts',
        '-admin-addr',
        socket,
        'admin',
        ...words,
      ])
      return stdout
    }
    const tag = hashOf('one').slice(0, 8)
    assert.match(await admin('clusters'), new RegExp(`^${tag}\\w* +2 +0$`, 'm'))
    assert.match(await admin('affiliates', tag), /^a +1 B +0 +\d+s ago +(1m|\d+s)$/m)
    const told = once(watch, 'data')
    assert.equal(await admin('forget', tag, 'a'), '1 affiliates forgotten\n')
    const [change] = await told
    assert.deepEqual([change.deleted, change.affiliates[0].id], [true, 'a'])
    assert.equal(await admin('forget', tag), '1 affiliates forgotten\n')
    assert.deepEqual(await client.list('one'), [])
    watch.on('error', () => {}).cancel()
  }))

test('what cannot be started says why, with its status', async () => {
  await using service = await DiscoveryProcess.start()
  const metrics = await freePort()
  for (const [flags, code, words] of [
    [['-certificate-path=nowhere.crt', '-key-path=nowhere.key'], 1, /ENOENT.*nowhere/],
    [['-certificate-path=test/support/tls/one.crt'], 1, /: -key-path: is needed/],
    [['-key-path=test/support/tls/one.key'], 1, /: -certificate-path: is needed/],
    [['-certificate-path=test/support/tls/one.crt', '-key-path=test/support/tls/two.key'], 1, /this key/],
    [[`-addr=${service.endpoint}`, `-metrics-addr=127.0.0.1:${metrics}`], 1, /EADDRINUSE/],
    [['-gc-interval=never'], 2, /-gc-interval/],
    [['-config=nowhere.yaml'], 2, /-config: .*nowhere\.yaml/],
    [['frobnicate'], 2, /unknown command/],
  ] as const)
    await assert.rejects(DiscoveryProcess.start(...flags), (error: Error) => {
      assert.match(error.message, new RegExp(`ended with ${code}:`))
      assert.match(error.message, words)
      return true
    })
})
