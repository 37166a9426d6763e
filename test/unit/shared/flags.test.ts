import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FlagInput, flag, readFlags } from '../../../shared/flags.ts'
import { parsePrefix } from '../../../shared/net/address.ts'

const FLAGS = {
  addr: flag.text(':3000', 'where to listen', 'ADDRESS'),
  gcInterval: flag.duration(60_000, 'how often to collect'),
  grace: flag.duration(0, 'how long to wait', 0),
  trustXRealIp: flag.boolean(true, 'believe the header'),
  debug: flag.boolean(false, 'say more'),
  level: flag.choice('info', 'how much to say', ['debug', 'info']),
  maxStreams: flag.wholeNumber(250, 'streams of a connection', { least: 1, most: 1000 }),
  proxies: flag.list([], 'whom to believe', {
    placeholder: 'PREFIX',
    allowed: 'prefixes like 10.0.0.0/8',
    parse: parsePrefix,
    format: String,
  }),
}

const read = (words: string[], more: Partial<FlagInput> = {}) =>
  readFlags(FLAGS, {
    program: 'tool',
    arguments: words,
    environment: {},
    environmentPrefix: 'TOOL_',
    ...more,
  })

function values(words: string[], more: Partial<FlagInput> = {}) {
  const reading = read(words, more)
  assert.ok(reading.kind === 'values', JSON.stringify(reading))
  return reading.values
}

function refused(words: string[], more: Partial<FlagInput> = {}) {
  const reading = read(words, more)
  assert.ok(reading.kind === 'error', words.join(' '))
  return { flag: reading.flag, message: reading.message }
}

test('nothing given leaves the defaults, frozen', () => {
  const given = values([])
  assert.deepEqual(
    { ...given },
    {
      addr: ':3000',
      gcInterval: 60_000,
      grace: 0,
      trustXRealIp: true,
      debug: false,
      level: 'info',
      maxStreams: 250,
      proxies: [],
    },
  )
  assert.throws(() => Object.assign(given, { addr: 'x' }), TypeError)
})

test('one dash or two, attached or apart, the last one wins', () => {
  for (const words of [
    ['-addr', ':1'],
    ['--addr', ':1'],
    ['-addr=:1'],
    ['--addr=:1'],
    ['-addr=x', '-addr=:1'],
  ])
    assert.equal(values(words).addr, ':1')
  assert.equal(values(['-addr=']).addr, '', 'empty is a value')
  assert.equal(values(['-addr', '-debug']).addr, '-debug', 'whatever comes next is the value')
  assert.equal(values(['-addr=a=b']).addr, 'a=b')
})

test('a boolean needs no value, and takes one only attached', () => {
  assert.equal(values(['-debug']).debug, true)
  for (const text of ['false', '0', 'f', 'F', 'FALSE', 'False'])
    assert.equal(values([`-trust-x-real-ip=${text}`]).trustXRealIp, false)
  for (const text of ['true', '1', 't', 'T', 'TRUE', 'True'])
    assert.equal(values([`-debug=${text}`]).debug, true)
  assert.match(refused(['-debug', 'false']).message, /unexpected argument "false"/)
  assert.deepEqual(refused(['-debug=yes']), { flag: '-debug', message: '-debug: "yes" is not true or false' })
})

test('each kind says what it allows', () => {
  assert.equal(values(['-gc-interval=1h30m']).gcInterval, 5_400_000)
  assert.equal(values(['-grace=0s']).grace, 0)
  assert.equal(values(['-max-streams', '1000']).maxStreams, 1000)
  assert.equal(values(['-level=debug']).level, 'debug')
  assert.deepEqual(values(['-proxies=10.0.0.0/8, ::1/128']).proxies, ['10.0.0.0/8', '::1/128'])
  assert.deepEqual(values(['-proxies=']).proxies, [])
  for (const [word, allowed] of [
    ['-gc-interval=10', /"10" is not a duration such as/],
    ['-gc-interval=0s', /at least 1ms/],
    ['-grace=-1s', /at least 0s/],
    ['-max-streams=0', /a whole number from 1 to 1000/],
    ['-max-streams=1001', /a whole number from 1 to 1000/],
    ['-max-streams=1.5', /a whole number/],
    ['-level=loud', /one of debug, info/],
    ['-proxies=10.0.0.0/8,x', /a list, separated by commas, of prefixes/],
  ] as const)
    assert.match(refused([word]).message, allowed)
})

test('what is no flag is named', () => {
  assert.deepEqual(refused(['-adr=x']).flag, '-adr')
  assert.match(refused(['--adr=x']).message, /unknown flag -adr; there are -addr -gc-interval .* and -help/)
  assert.match(refused(['-addr']).message, /-addr needs a value/)
  for (const word of ['---addr', '-=x', '--=x']) assert.match(refused([word]).message, /is not a flag/)
  assert.equal(refused(['start']).flag, 'start')
})

test('flags end at what is none, if something may follow', () => {
  const operands = (words: string[]): readonly string[] => {
    const reading = read(words, { operands: 'command' })
    assert.ok(reading.kind === 'values')
    return reading.operands
  }
  assert.deepEqual(operands(['-debug', 'status', '-addr']), ['status', '-addr'])
  assert.deepEqual(operands(['-debug', '--', '-addr']), ['-addr'])
  assert.deepEqual(operands(['-']), ['-'])
  assert.deepEqual(operands([]), [])
})

test('the environment is asked next, an empty variable is none', () => {
  const environment = { TOOL_ADDR: ':9', TOOL_GC_INTERVAL: '', TOOL_DEBUG: '1', OTHER: 'x' }
  assert.equal(values([], { environment }).addr, ':9')
  assert.equal(values(['-addr=:8'], { environment }).addr, ':8')
  assert.equal(values([], { environment }).gcInterval, 60_000)
  assert.equal(values([], { environment }).debug, true)
  assert.deepEqual(refused([], { environment: { TOOL_TRUST_X_REAL_IP: 'no' } }), {
    flag: 'TOOL_TRUST_X_REAL_IP',
    message: 'TOOL_TRUST_X_REAL_IP: "no" is not true or false',
  })
})

test('help lists every flag with its default and its variable', () => {
  for (const word of ['-h', '--help', '-help']) {
    const reading = read([word, '-nonsense'], { about: 'Does things.', operands: 'command' })
    assert.ok(reading.kind === 'help')
    const lines = reading.text.split('\n')
    assert.equal(lines[0], 'Usage: tool [flags] command')
    assert.ok(lines.includes('Does things.'))
    assert.ok(
      lines.includes('  -addr ADDRESS          where to listen (default :3000, env TOOL_ADDR)'),
      reading.text,
    )
    assert.ok(
      lines.includes('  -gc-interval DURATION  how often to collect (default 1m, env TOOL_GC_INTERVAL)'),
    )
    assert.ok(lines.includes('  -proxies PREFIX,…      whom to believe (env TOOL_PROXIES)'))
  }
})

test('a bug in a flag is not taken for bad input', () => {
  const broken = flag.parsed('', 'broken', {
    placeholder: 'X',
    allowed: 'anything',
    parse: () => {
      throw new Error('bug')
    },
    format: String,
  })
  const input = { program: 'tool', arguments: ['-broken=1'], environment: {}, environmentPrefix: '' }
  assert.throws(() => readFlags({ broken }, input), /bug/)
})
