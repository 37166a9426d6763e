import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { systemMachineId } from '../../../../../kubespan/sources/kubernetes/machine-id.ts'

test('the first file that says something', async (t) => {
  const directory = await mkdtemp(`${tmpdir()}/openspan-machine-`)
  t.after(() => rm(directory, { recursive: true }))
  const [empty, full] = [`${directory}/empty`, `${directory}/full`] as const
  await writeFile(empty, '\n')
  await writeFile(full, 'abc\n')
  assert.equal(await systemMachineId([`${directory}/none`, empty, full]), 'abc')
  assert.equal(await systemMachineId([empty]), '')
})
