import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { parse } from 'yaml'
import {
  generateKeys,
  IdentityFileError,
  loadOrCreateKeys,
  loadOrCreateNodeId,
  publicKeyOf,
} from '../../../../kubespan/sources/identity-file.ts'
import { decodeNodeId } from '../../../../shared/identity/node-id.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-identity-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('the public key is the one that `wg pubkey` finds', () => {
  const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64')
  assert.equal(publicKeyOf(key(0x42)), 'EyxEK+AQ+9V+cmAzKKp25x/MwVA6riGTJ9FNnJmT9HI=')
  assert.equal(publicKeyOf(key(0x07)), 'E75P6uryBMf9M1j8nAByGIHRdCeBKCJ+xnTzf3/pe20=')
})

test('new keys are clamped as wg genkey does', () => {
  const bytes = Buffer.from(generateKeys().privateKey, 'base64')
  assert.equal(bytes.length, 32)
  assert.equal((bytes[0] ?? 0) & 7, 0)
  assert.equal((bytes[31] ?? 0) & 0xc0, 0x40)
})

test('a node id is made once', async () => {
  const state = join(directory, 'not', 'there')
  const nodeId = await loadOrCreateNodeId(state)
  assert.ok(decodeNodeId(nodeId))
  assert.equal(await loadOrCreateNodeId(state), nodeId)
  assert.deepEqual(parse(await readFile(join(state, 'node-identity.yaml'), 'utf8')), { nodeId })
})

test('keys are made once, and the file has all its fields', async () => {
  const keys = await loadOrCreateKeys(directory)
  assert.deepEqual(await loadOrCreateKeys(directory), keys)
  const path = join(directory, 'kubespan-identity.yaml')
  assert.deepEqual(parse(await readFile(path, 'utf8')), { address: '', subnet: '', ...keys })
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.deepEqual(await readdir(directory), ['kubespan-identity.yaml'], 'no draft is left')
})

test('of two that start at once, both have the same identity', async () => {
  const all = await Promise.all(Array.from({ length: 10 }, () => loadOrCreateKeys(directory)))
  assert.equal(new Set(all.map(({ privateKey }) => privateKey)).size, 1)
})

test('a file that others may read is closed to them', async () => {
  await loadOrCreateNodeId(directory)
  const path = join(directory, 'node-identity.yaml')
  await chmod(path, 0o644)
  await loadOrCreateNodeId(directory)
  assert.equal((await stat(path)).mode & 0o777, 0o600)
})

const { privateKey } = generateKeys()
const broken: readonly (readonly [string, string])[] = [
  ['is empty', ''],
  ['is empty', ' \n'],
  ['is not YAML', `privateKey: "${privateKey}`],
  ['is not a mapping', '- a'],
  ['is not a mapping', 'text'],
  ['has no valid privateKey', 'publicKey: x'],
  ['has no valid privateKey', `privateKey: ${privateKey.slice(0, 20)}`],
  ['has no valid privateKey', 'privateKey: 5'],
  ['has a publicKey that does not belong', `privateKey: ${privateKey}\npublicKey: ${privateKey}`],
]

for (const [problem, text] of broken)
  test(`keys: ${JSON.stringify(text.replaceAll(privateKey, 'KEY'))} is an error, and is not replaced`, async () => {
    const path = join(directory, 'kubespan-identity.yaml')
    await writeFile(path, text)
    const error = await loadOrCreateKeys(directory).catch((reason: unknown) => reason)
    assert.ok(error instanceof IdentityFileError)
    assert.equal(error.path, path)
    assert.ok(error.message.startsWith(`${path}: ${problem}`), error.message)
    assert.ok(!error.message.includes(privateKey))
    assert.equal(await readFile(path, 'utf8'), text)
  })

for (const text of ['nodeId: ""', 'nodeId: a b', 'nodeId: 7', 'other: x'])
  test(`node id: ${text} is an error`, async () => {
    await writeFile(join(directory, 'node-identity.yaml'), text)
    await assert.rejects(loadOrCreateNodeId(directory), /node-identity\.yaml: has no valid nodeId/)
  })

test('a state directory that cannot be used is an error that names the file', async () => {
  await writeFile(join(directory, 'file'), '')
  await assert.rejects(loadOrCreateKeys(join(directory, 'file')), /kubespan-identity\.yaml: cannot be/)
  await symlink(join(directory, 'nowhere'), join(directory, 'link'))
  await assert.rejects(
    loadOrCreateKeys(join(directory, 'link')),
    /kubespan-identity\.yaml: cannot be written/,
  )
})
