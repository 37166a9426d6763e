import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clusterTag, createLogger, type LogLevel } from '../../../shared/log.ts'

function world(level: LogLevel = 'info') {
  const lines: Record<string, unknown>[] = []
  const log = createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) })
  return { log, lines }
}

test('a line is JSON with a level, a time and the fields', () => {
  const { log, lines } = world()
  log.info({ peer: 'a', was: undefined, endpoints: ['10.0.0.1:1'] }, 'endpoint changed')
  log.debug('not said')
  assert.equal(lines.length, 1)
  const { time, ...line } = lines[0] ?? {}
  assert.deepEqual(line, { level: 'info', peer: 'a', endpoints: ['10.0.0.1:1'], msg: 'endpoint changed' })
  assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
})

test('what looks like a secret is not said, at any depth, in children neither', () => {
  const { log, lines } = world()
  log.info(
    { privateKey: 'hunter2', config: { clusterSecret: 'hunter2', list: [{ psk: 'hunter2', mtu: 1 }] } },
    'a',
  )
  log.child({ token: 'hunter2', peer: 'b' }).info({ headers: { Authorization: 'hunter2' } }, 'b')
  assert.ok(!JSON.stringify(lines).includes('hunter2'))
  assert.deepEqual(lines[0]?.config, { clusterSecret: '[redacted]', list: [{ psk: '[redacted]', mtu: 1 }] })
  assert.equal(lines[1]?.peer, 'b')
})

test('what only speaks of secrets is said', () => {
  const { log, lines } = world()
  log.info({ hasPresharedKey: true, secretFile: undefined, password: null }, 'a')
  assert.equal(lines[0]?.hasPresharedKey, true)
  assert.equal(lines[0]?.password, null)
})

test('a cluster is named by its tag', () => {
  const tag = clusterTag('abc')
  assert.equal(tag, 'ba7816bf')
  const { log, lines } = world()
  log.info({ cluster_id: 'abc', inner: { clusterId: tag } }, 'a')
  log.child({ clusterId: 'abc' }).info('b')
  assert.equal(lines[0]?.cluster_id, tag)
  assert.deepEqual(lines[0]?.inner, { clusterId: tag })
  assert.equal(lines[1]?.clusterId, tag)
})

test('errors keep their message and stack, endless nesting ends', () => {
  const { log, lines } = world()
  const ring: Record<string, unknown> = { name: 'ring' }
  ring.self = ring
  log.error({ err: new Error('no such link', { cause: new Error('gone') }), ring }, 'failed')
  const { err } = lines[0] as { err: { message: string; stack: string } }
  assert.match(err.message, /no such link/)
  assert.match(err.stack, /log\.test\.ts/)
})
