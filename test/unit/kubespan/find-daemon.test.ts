import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { cannotDoWithout, findSocket, loadUsable } from '../../../kubespan/find-daemon.ts'

const directory = await mkdtemp(join(tmpdir(), 'openspan-find-daemon-'))
after(() => rm(directory, { recursive: true }))

/** What a command says that finds no daemon: the warning, and why it ends. */
async function said(configFile: string): Promise<string[]> {
  const query = { configFile, isNamed: false, socket: undefined }
  const lines: string[] = []
  await findSocket(query, (line) => lines.push(line))
  const { problem } = await loadUsable(query)
  assert.ok(problem)
  return [...lines, cannotDoWithout(problem, configFile).message]
}

test('what is wrong with the configuration is said once, and which command says all of it', async () => {
  const file = join(directory, 'bad.yaml')
  await writeFile(file, 'apiVersion: v1alpha1\nkind: KubeSpanConfig\nenabled: true\nmtu: 12\nmtuu: 1\n')
  const [warning, end] = await said(file)
  assert.match(warning ?? '', /bad\.yaml:4: mtu: must be at least 1280 \(and 1 more/)
  assert.doesNotMatch(end ?? '', /mtu/)
  assert.match(end ?? '', /^no kubespan daemon answers on \/run\/kubespan\/kubespan\.sock, /)
  assert.ok(end?.endsWith(`: kubespan config validate ${file}`))
})

test('a file that is not there is not to be validated', async () => {
  const [warning, end] = await said(join(directory, 'absent.yaml'))
  assert.match(warning ?? '', /there is no such file/)
  assert.match(end ?? '', /: make one with "kubespan gen/)
})
