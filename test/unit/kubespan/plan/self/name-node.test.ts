import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameNode } from '../../../../../kubespan/plan/self/name-node.ts'
import { encodeNodeId } from '../../../../../shared/identity/node-id.ts'
import { settingsOf } from '../../../../support/settings.ts'

const nodeId = encodeNodeId(new Uint8Array(32).fill(0xab))

function named(called: string | undefined, node = '') {
  const { settings, warnings } = nameNode(settingsOf(node), called, nodeId)
  return { names: [settings.node.hostname, settings.node.nodename], warnings }
}

test('the host’s name as it is now, and a node name made of it', () => {
  for (const [called, nodename] of [
    ['worker-7', 'worker-7'],
    ['worker-7.example.org', 'worker-7.example.org'],
    ['Worker-7', 'worker-7'],
    ['localhoster', 'localhoster'],
  ] as const)
    assert.deepEqual(named(called), { names: [called, nodename], warnings: [] })
  assert.deepEqual(named(undefined).names, ['box', 'box'], 'where the host cannot be asked')
})

test('what no node name may hold is left out, with a warning', () => {
  for (const [called, nodename] of [
    ['Büro_PC 1', 'bropc1'],
    ['-edge-.', 'edge'],
  ] as const) {
    const { names, warnings } = named(called)
    assert.equal(names[1], nodename)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /which is no node name/)
  }
  assert.match(named('日本').names[1] ?? '', /^node-abababab$/)
})

test('what is no name is not published: one made of the node id stands in, with a warning', () => {
  for (const called of [
    'localhost',
    'LOCALHOST',
    'localhost.localdomain',
    'localhost6.localdomain6',
    '(none)',
    '',
    ' ',
  ]) {
    const { names, warnings } = named(called)
    assert.deepEqual(names, ['node-abababab', 'node-abababab'], called)
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /this host has no name .* hostnamectl set-hostname/)
  }
})

test('what the configuration says stays, whatever the host is called', () => {
  for (const called of ['worker-7', 'localhost'])
    assert.deepEqual(named(called, 'hostname: one.example.org, nodename: One').names, [
      'one.example.org',
      'One',
    ])
  assert.deepEqual(named('worker-7', 'nodename: one').names, ['worker-7', 'one'])
  assert.deepEqual(named('worker-7', 'hostname: one').names, ['one', 'one'])
  assert.deepEqual(named('localhost', 'nodename: one').names, ['node-abababab', 'one'])
  assert.deepEqual(named('localhost', 'hostname: one').warnings, [])
  const { names, warnings } = named('worker-7', 'hostname: localhost, nodename: localhost')
  assert.deepEqual(names, ['localhost', 'localhost'])
  assert.match(warnings.join(), /in the configuration is no name of its own/)
})
