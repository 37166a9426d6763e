import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Config, type ConfigReading, readConfig } from '../../../discovery/config.ts'

interface Given {
  readonly environment?: Record<string, string>
  readonly file?: string
}

const read = (words: readonly string[], { environment = {}, file }: Given = {}): ConfigReading =>
  readConfig({
    arguments: file === undefined ? words : ['-config', 'some.yaml', ...words],
    environment,
    readFile: (path) => {
      if (file === undefined) throw new Error(`ENOENT: no such file, open '${path}'`)
      return file
    },
  })

function config(words: readonly string[], given?: Given): Config {
  const reading = read(words, given)
  assert.ok(reading.kind === 'config', JSON.stringify(reading))
  return reading.config
}

function refused(words: readonly string[], given?: Given): string {
  const reading = read(words, given)
  assert.ok(reading.kind === 'error', JSON.stringify(reading))
  return reading.message
}

test('names and defaults that operators know (SPEC 1.11)', () => {
  const c = config([])
  assert.deepEqual(
    [c.addr, c.landingAddr, c.metricsAddr].map((at) => (at !== null && 'port' in at ? at.port : at)),
    [3000, 3001, 2122],
  )
  assert.deepEqual([c.certificatePath, c.keyPath, c.redirectEndpoint, c.debug], ['', '', '', false])
  assert.deepEqual([c.gcInterval, c.snapshotInterval], [60_000, 600_000])
  assert.deepEqual([c.snapshotsEnabled, c.snapshotPath], [true, '/var/discovery-service/state.binpb'])
  assert.deepEqual([c.trustXRealIp, c.trustFirstXForwardedFor], [true, true])
  assert.deepEqual([c.rateLimit, c.rateBurst, c.reportClientIp], [15, 60, true])
  assert.deepEqual(c.trustedProxies, ['127.0.0.0/8', '::1/128'])
  assert.equal(c.adminAddr, null)
})

test('both dashes, both forms, and empty addresses that turn a listener off', () => {
  const c = config([
    '--addr',
    '[::1]:1',
    '-landing-addr=',
    '-trust-x-real-ip=false',
    '--debug',
    '-gc-interval=5s',
  ])
  assert.deepEqual(c.addr, { host: '::1', port: 1 })
  assert.deepEqual([c.landingAddr, c.trustXRealIp, c.debug, c.gcInterval], [null, false, true, 5000])
  assert.deepEqual(config(['-trusted-proxies', '10.0.0.0/8, 192.0.2.1,::1']).trustedProxies, [
    '10.0.0.0/8',
    '192.0.2.1/32',
    '::1/128',
  ])
  assert.deepEqual(config(['-trusted-proxies=']).trustedProxies, [])
  assert.equal(config(['-memory-limit', '1GiB']).memoryLimit, 1024 ** 3)
})

test('a flag is stronger than the environment, that than the file, that than the default', () => {
  const file = 'rate-limit: 1\nrate-burst: 2\nrate-queue: 3\n'
  const environment = { DISCOVERY_RATE_LIMIT: '10', DISCOVERY_RATE_BURST: '20' }
  const c = config(['-rate-limit', '100'], { environment, file })
  assert.deepEqual([c.rateLimit, c.rateBurst, c.rateQueue, c.rateIpv6ByNetwork], [100, 20, 3, true])
  assert.equal(config([], { environment: { MODE: 'dev' } }).debug, true)
  assert.equal(config(['-debug=false'], { environment: { MODE: 'dev' } }).debug, false)
})

test('the file knows every setting, in YAML as people write it', () => {
  const c = config([], {
    file: `
# with comments
addr: ":4000"
landing-addr: ""
trusted-proxies:
  - 10.0.0.0/8
  - 192.0.2.1
snapshots-enabled: false
snapshot-interval: 5m
memory-limit: 2GiB
`,
  })
  assert.deepEqual(c.addr, { host: undefined, port: 4000 })
  assert.deepEqual(c.trustedProxies, ['10.0.0.0/8', '192.0.2.1/32'])
  assert.deepEqual([c.landingAddr, c.snapshotsEnabled, c.snapshotInterval], [null, false, 300_000])
  assert.equal(config([], { file: '# nothing yet\n' }).rateLimit, 15)
})

test('what is wrong is named with its flag, or its file and line', () => {
  assert.match(refused(['-gc-interval', 'soon']), /^-gc-interval: "soon" is not a duration/)
  assert.match(
    refused([], { environment: { DISCOVERY_ADDR: 'x' } }),
    /^DISCOVERY_ADDR: "x" is not an address/,
  )
  assert.match(refused(['-landing-addr', 'x']), /or empty/)
  assert.match(refused(['-redirect-endpoint', 'https://a']), /a host and a port/)
  assert.match(refused(['-trusted-proxies', '10.0.0.0/8,x']), /networks such as/)
  assert.match(refused(['-config', 'missing.yaml']), /^-config: ENOENT.*missing\.yaml/)
  assert.match(
    refused([], { file: '\ngc-interval: soon\n' }),
    /^some\.yaml:2: gc-interval: must be a duration/,
  )
  assert.match(refused([], { file: 'addr: ":1"\nadr: x\n' }), /^some\.yaml:2: adr: there is no such setting/)
  assert.match(refused([], { file: 'config: x\n' }), /^some\.yaml:1: config: there is no such setting/)
  assert.match(refused([], { file: 'addr: {a: 1}\n' }), /^some\.yaml:1: addr: must be an address/)
  assert.match(refused([], { file: '- a\n' }), /^some\.yaml:1: must be a mapping/)
  assert.match(refused([], { file: 'addr: [\n' }), /^some\.yaml:\d: /)
  assert.match(refused([], { file: 'debug: true\n---\ndebug: false\n' }), /^some\.yaml:3: one document/)
  assert.match(refused(['-frobnicate'], { file: 'debug: true\n' }), /^unknown flag -frobnicate/)
})

test('settings that only make sense together', () => {
  assert.match(refused(['-admin-addr', ':9000']), /^-admin-token-file/)
  assert.ok(config(['-admin-addr', ':9000', '-admin-token-file', 'token']).adminAddr !== null)
  assert.deepEqual(config(['-admin-addr', 'unix:/run/a.sock']).adminAddr, { path: '/run/a.sock' })
  assert.match(refused(['-flush-interval', '1s']), /^-flush-interval-max/)
})

test('help, version, and what follows the flags', () => {
  const help = read(['-help'])
  assert.ok(help.kind === 'help')
  assert.match(help.text, /-trusted-proxies NETWORK,….*env DISCOVERY_TRUSTED_PROXIES/)
  assert.equal(read(['--version']).kind, 'version')
  const admin = read(['-debug', 'admin', 'list', '-x'])
  assert.ok(admin.kind === 'config')
  assert.deepEqual(admin.operands, ['admin', 'list', '-x'])
})
