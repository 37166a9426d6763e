import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadIdentity } from '../../../../kubespan/controllers/host/system-mesh-host.ts'
import { loadAddressSource, saveAddressSource } from '../../../../kubespan/sources/address-source.ts'
import { linkOf } from '../../../support/links.ts'
import { settingsOf } from '../../../support/settings.ts'

const directory = (t: { after(clean: () => void): void }): string => {
  const path = mkdtempSync(join(tmpdir(), 'openspan-address-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

test('an address that was given up stays given up, and what cannot be read changes nothing', async (t) => {
  const path = directory(t)
  assert.equal(await loadAddressSource(path), 'hardware address')
  await saveAddressSource(path, 'node id')
  assert.equal(await loadAddressSource(path), 'node id')
  writeFileSync(join(path, 'mesh-address.json'), '{"format"')
  assert.equal(await loadAddressSource(path), 'hardware address')
})

test('two nodes with one hardware address have one mesh address, until one gives it up', async (t) => {
  const links = [{ ...linkOf('eth0', []), isPhysical: true, mac: '52:54:00:12:34:56' }]
  const directories = [directory(t), directory(t)] as const
  const settings = directories.map((path) => settingsOf(`stateDirectory: ${path}`))
  const identities = () => Promise.all(settings.map((each) => loadIdentity(each, links)))
  const [a, b] = await identities()
  assert.equal(a?.address, b?.address)
  assert.deepEqual([a?.isMadeOfHardwareAddress, b?.isMadeOfHardwareAddress], [true, true])
  await saveAddressSource(directories[1], 'node id')
  const [c, d] = await identities()
  assert.equal(c?.address, a?.address)
  assert.notEqual(d?.address, a?.address)
  assert.equal(d?.isMadeOfHardwareAddress, false)
  assert.equal(d?.nodeId, b?.nodeId)
})
