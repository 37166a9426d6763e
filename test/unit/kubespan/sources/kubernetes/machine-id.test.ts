import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { systemMachineId } from '../../../../../kubespan/sources/kubernetes/machine-id.ts'

test('what the file says, or nothing', async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/openspan-machine-`)
  t.after(() => rm(directory, { recursive: true }))
  await writeFile(`${directory}/machine-id`, 'abc\n')
  assert.equal(await systemMachineId(`${directory}/machine-id`), 'abc')
  assert.equal(await systemMachineId(`${directory}/none`), '')
})
