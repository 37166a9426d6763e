import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observePrivileges, parsePrivileges, whyNotHeld } from '../../../../kubespan/host/capabilities.ts'

const status = (uid: number, effective: string, ambient: string): string =>
  `Name:\tnode\nUid:\t0\t${uid}\t0\t0\nCapInh:\t0000000000000000\nCapEff:\t${effective}\nCapBnd:\t000001ffffffffff\nCapAmb:\t${ambient}\n`

test('the status of a process tells what it may do', () => {
  assert.deepEqual(parsePrivileges(status(990, '0000000000003000', '0000000000001000')), {
    uid: 990,
    effective: 0x3000n,
    ambient: 0x1000n,
    bounding: 0x1ffffffffffn,
  })
})

test('a capability must reach the tools', () => {
  const held = (uid: number, effective: string, ambient: string) =>
    whyNotHeld(parsePrivileges(status(uid, effective, ambient)), 'CAP_NET_ADMIN')
  assert.equal(held(0, '000001ffffffffff', '0'), undefined)
  assert.equal(held(990, '1000', '1000'), undefined)
  assert.equal(held(0, '2000', '0'), 'CAP_NET_ADMIN is missing')
  assert.match(held(990, '1000', '0') ?? '', /not ambient/)
  assert.equal(whyNotHeld(parsePrivileges(''), 'CAP_NET_RAW'), 'CAP_NET_RAW is missing')
})

test('every process can read its own', async () => {
  assert.equal(typeof (await observePrivileges()).uid, 'number')
})
