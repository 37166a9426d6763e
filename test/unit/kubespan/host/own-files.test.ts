import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getegid, geteuid } from 'node:process'
import { test } from 'node:test'
import { runDaemon } from '../../../../kubespan/commands/run.ts'
import {
  checkOwnDirectory,
  NotOursError,
  openOwnFile,
  ownersOf,
  readOwnFile,
} from '../../../../kubespan/host/own-files.ts'
import { ToolRunner } from '../../../../kubespan/host/runner.ts'
import { loadOrCreateKeys, setIdentityAside } from '../../../../kubespan/sources/identity-file.ts'
import { loadPaths } from '../../../../kubespan/sources/path-memory.ts'
import { replaceFile } from '../../../../kubespan/sources/state-file.ts'

const [user, group] = [geteuid?.() ?? 0, getegid?.() ?? 0]
/** As somebody sees it whose files these are not. */
const stranger = { users: new Set([user + 1]), groups: new Set([group + 1]) }
const directory = () => mkdtemp(join(tmpdir(), 'openspan-own-'))

test('a directory that is not there yet, and one of our own, are fine', async () => {
  const own = await directory()
  await checkOwnDirectory(own)
  await checkOwnDirectory(join(own, 'none'))
})

test('a directory of somebody else is refused, with what to do', async () => {
  const theirs = await directory()
  await assert.rejects(checkOwnDirectory(theirs, stranger), (error: Error) => {
    assert.ok(error instanceof NotOursError)
    assert.match(error.message, new RegExp(`^${theirs} is a directory that belongs to user ${user}`))
    assert.match(error.message, /move it away, or, .*"chown -R \d+ .*" and "chmod 0700 .*"$/)
    return true
  })
})

test('so is one that others may write to, and a link of somebody else', async () => {
  const own = await directory()
  await chmod(own, 0o777)
  await assert.rejects(checkOwnDirectory(own), /may be written to by everybody/)
  await chmod(own, 0o770)
  const others = { users: new Set([user]), groups: new Set([group + 1]) }
  await assert.rejects(checkOwnDirectory(own, others), /may be written to by group/)
  await checkOwnDirectory(own)
  await symlink(own, join(own, 'link'))
  await checkOwnDirectory(join(own, 'link'))
  await assert.rejects(checkOwnDirectory(join(own, 'link'), stranger), /is a link that belongs to user/)
})

test('root trusts the service that it has installed, and nobody else trusts anybody', () => {
  const passwords = 'root:x:0:0::/:/bin/sh\nkubespan:x:987:986::/:/bin/false\n'
  assert.deepEqual([...ownersOf(0, 0, passwords).users], [0, 987])
  assert.deepEqual([...ownersOf(1000, 1000, passwords).users], [0, 1000])
})

test('a file is read that is ours: no link, nothing of somebody else, nothing that is no file', async () => {
  const own = await directory()
  const [path, link] = [join(own, 'file'), join(own, 'link')]
  await writeFile(path, 'contents')
  await symlink(path, link)
  assert.equal(String(await readOwnFile(path)), 'contents')
  await assert.rejects(readOwnFile(link), /is a symbolic link, which is not followed/)
  await assert.rejects(readOwnFile(path, stranger), /is a file that belongs to user .*: it is not used/)
  await assert.rejects(readOwnFile(own), /is no file/)
  await assert.rejects(readOwnFile(join(own, 'none')), { code: 'ENOENT' })
})

test('the log of a tool does not follow a link, nor is it made where everybody may write', async () => {
  const own = await directory()
  const victim = join(own, 'victim')
  await writeFile(victim, 'untouched')
  const runDirectory = join(own, 'run')
  await mkdir(runDirectory)
  await symlink(victim, join(runDirectory, 'tool.log'))
  const runner = new ToolRunner({ runDirectory, path: '/bin:/usr/bin' })
  await assert.rejects(runner.spawnDetached('ip', ['-V'], 'tool.log'), NotOursError)
  assert.equal(await readFile(victim, 'utf8'), 'untouched')
  await chmod(runDirectory, 0o777)
  await assert.rejects(runner.spawnDetached('ip', ['-V'], 'other.log'), /may be written to by everybody/)
  await assert.rejects(
    openOwnFile(join(runDirectory, 'tool.log'), constants.O_WRONLY | constants.O_APPEND),
    NotOursError,
  )
})

test('an identity that somebody else may have planted is not used, nor moved, nor replaced', async () => {
  const state = await directory()
  await loadOrCreateKeys(state)
  await chmod(state, 0o777)
  await assert.rejects(loadOrCreateKeys(state), NotOursError)
  await assert.rejects(setIdentityAside(state, 0), NotOursError)
  await assert.rejects(replaceFile(join(state, 'paths.json'), ''), NotOursError)

  const [elsewhere, linked] = [await directory(), await directory()]
  await loadOrCreateKeys(elsewhere)
  await symlink(join(elsewhere, 'kubespan-identity.yaml'), join(linked, 'kubespan-identity.yaml'))
  await assert.rejects(loadOrCreateKeys(linked), /is a symbolic link/)
})

test('what is only remembered is not believed through a link', async () => {
  const own = await directory()
  await writeFile(
    join(own, 'theirs'),
    '{"format":"openspan paths 1","networks":[["n",[["k","192.0.2.1:1"]]]]}',
  )
  assert.equal((await loadPaths(join(own, 'theirs'))).length, 1)
  await symlink(join(own, 'theirs'), join(own, 'paths.json'))
  assert.deepEqual(await loadPaths(join(own, 'paths.json')), [])
})

test('the daemon does not start where its socket or its keys may be somebody else’s', async () => {
  const own = await directory()
  const configFile = join(own, 'config.yaml')
  const [state, run] = [join(own, 'state'), join(own, 'run')]
  for (const path of [state, run]) await mkdir(path)
  await writeFile(
    configFile,
    `{apiVersion: v1alpha1, kind: NodeConfig, stateDirectory: ${state}, runDirectory: ${run}}`,
  )
  for (const path of [state, run]) {
    await chmod(path, 0o777)
    await assert.rejects(
      runDaemon({ configFile, downOnExit: false, logLevel: 'error' }),
      (error: Error) => error instanceof NotOursError && error.message.startsWith(path),
    )
    await chmod(path, 0o755)
  }
})
