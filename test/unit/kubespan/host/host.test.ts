import assert from 'node:assert/strict'
import { once } from 'node:events'
import { appendFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createHost, type Host } from '../../../../kubespan/host/host.ts'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

let directory = ''
let host: Host

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-host-'))
  host = createHost({
    clock: new ManualClock(),
    runDirectory: directory,
    path: '/nonexistent',
    settingsRoot: join(directory, 'net'),
    socketDirectory: directory,
  })
})
after(() => rm(directory, { recursive: true }))

test('a setting is read without its newline, and written only where it exists', async () => {
  await mkdir(join(directory, 'net/ipv4'), { recursive: true })
  await writeFile(join(directory, 'net/ipv4/rp_filter'), '2\n')
  assert.equal(await host.readSetting('ipv4/rp_filter'), '2')
  assert.equal(await host.writeSetting('ipv4/rp_filter', '0'), true)
  assert.equal(await readFile(join(directory, 'net/ipv4/rp_filter'), 'utf8'), '0\n')
  assert.equal(await host.readSetting('ipv6/nothing'), undefined)
  assert.deepEqual(await host.listSettings('ipv4'), ['rp_filter'])
  assert.deepEqual(await host.listSettings('ipv6/conf'), [])
  await assert.rejects(host.writeSetting('ipv6/nothing', '0'), { code: 'ENOENT' })
  await assert.rejects(host.readSetting('ipv4'), { code: 'EISDIR' })
})

test('a socket that was left behind is seen and can be removed, twice', async () => {
  await writeFile(join(directory, 'link.sock'), '')
  assert.equal(await host.hasSocket('link'), true)
  await host.removeSocket('link')
  await host.removeSocket('link')
  assert.equal(await host.hasSocket('link'), false)
})

test('a socket is answered while somebody listens on it', async () => {
  const path = join(directory, 'answered.sock')
  assert.equal(await host.isSocketAnswered('answered'), false)
  const server = createServer((socket) => socket.destroy()).listen(path)
  await once(server, 'listening')
  assert.equal(await host.isSocketAnswered('answered'), true)
  server.close()
  await once(server, 'close')
  await writeFile(path, '')
  assert.equal(await host.isSocketAnswered('answered'), false)
})

test('a log that has grown too large begins anew', async () => {
  const path = join(directory, 'wireguard.log')
  await host.limitLog('wireguard.log')
  await writeFile(path, 'x'.repeat(1 << 20))
  await host.limitLog('wireguard.log')
  assert.equal((await readFile(path)).length, 1 << 20)
  await appendFile(path, 'x')
  await host.limitLog('wireguard.log')
  assert.equal((await readFile(path)).length, 0)
})

test('the last line of a log is what its tool said last', async () => {
  assert.equal(await host.lastLogLine('none.log'), undefined)
  await writeFile(join(directory, 'tool.log'), '')
  assert.equal(await host.lastLogLine('tool.log'), undefined)
  await writeFile(join(directory, 'tool.log'), 'first\nlast\n')
  assert.equal(await host.lastLogLine('tool.log'), 'last')
})

test('tools are run by the runner', async () => {
  await assert.rejects(host.run('ip', []), ToolError)
  await assert.rejects(host.spawnDetached('ip', [], 'x.log'), ToolError)
  await assert.rejects(async () => {
    for await (const _ of host.stream('ip', [], new AbortController().signal)) assert.fail('nothing to say')
  }, ToolError)
})

test('the TCP sockets of this namespace are listed, those of both families', async () => {
  assert.match(await host.tcpSockets(), /^ +sl +local_address/)
})
