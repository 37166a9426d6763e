import assert from 'node:assert/strict'
import { test } from 'node:test'
import { procSettings } from '../../../../kubespan/host/kernel-settings.ts'

test('a setting that may not be changed is an answer, not an error', async () => {
  // Read-only to everybody, on every Linux.
  const settings = procSettings('/proc/sys')
  assert.match((await settings.readSetting('kernel/ngroups_max')) ?? '', /^\d+$/)
  assert.equal(await settings.writeSetting('kernel/ngroups_max', '1'), false)
})
