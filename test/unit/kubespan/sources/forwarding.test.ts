import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardedByLink, forwardsPackets, readForwarding } from '../../../../kubespan/sources/forwarding.ts'
import { settingsIn } from '../../../support/settings-in.ts'

const OFF = {
  'ipv4/ip_forward': '0',
  'ipv4/conf/all/forwarding': '0',
  'ipv4/conf/default/forwarding': '0',
  'ipv4/conf/lan/forwarding': '0',
  'ipv4/conf/vlan.7/forwarding': '0',
  'ipv6/conf/all/forwarding': '0',
  'ipv6/conf/lan/forwarding': '0',
  'ipv6/conf/lan/force_forwarding': '0',
}

const read = (settings: Readonly<Record<string, string>>) =>
  readForwarding(
    {
      readSetting: async (path) => settings[path],
      listSettings: async (directory) => settingsIn(Object.keys(settings), directory),
    },
    'kubespan',
  )

const forwards = async (on: Readonly<Record<string, string>>): Promise<boolean> =>
  forwardsPackets(await read({ ...OFF, ...on }))

test('a host forwards where all links do, or a single one', async () => {
  assert.equal(await forwards({}), false)
  assert.equal(await forwards({ 'ipv4/ip_forward': '1' }), true)
  assert.equal(await forwards({ 'ipv6/conf/all/forwarding': '2' }), true)
  assert.equal(await forwards({ 'ipv4/conf/lan/forwarding': '1', 'ipv4/conf/vlan.7/forwarding': '1' }), true)
  assert.equal(await forwards({ 'ipv4/conf/vlan.7/forwarding': '1' }), true)
  assert.equal(await forwards({ 'ipv6/conf/lan/force_forwarding': '1' }), true)
})

test('the setting of one link makes no router of IPv6', async () => {
  assert.equal(await forwards({ 'ipv6/conf/lan/forwarding': '1' }), false)
})

test('a kernel without IPv6, and one without settings, forward what they can', async () => {
  const settings = { 'ipv4/ip_forward': '0', 'ipv4/conf/lan/forwarding': '1' }
  assert.equal(forwardsPackets(await read(settings)), true)
  assert.equal(forwardsPackets(await read({})), false)
})

test('single links are not looked at where all forward', async () => {
  assert.equal((await read({ ...OFF, 'ipv4/ip_forward': '1' })).size, 2)
})

test('families of which single links forward, and not all', async () => {
  const byLink = async (on: Readonly<Record<string, string>>) =>
    forwardedByLink(await read({ ...OFF, ...on }))
  assert.deepEqual(await byLink({}), [])
  assert.deepEqual(await byLink({ 'ipv4/conf/lan/forwarding': '1' }), [4])
  assert.deepEqual(await byLink({ 'ipv6/conf/lan/force_forwarding': '1' }), [6])
  assert.deepEqual(await byLink({ 'ipv4/ip_forward': '1', 'ipv4/conf/lan/forwarding': '1' }), [])
})

test('our own link, which forwards because others do, makes no router', async () => {
  assert.equal(await forwards({ 'ipv4/conf/kubespan/forwarding': '1' }), false)
})
