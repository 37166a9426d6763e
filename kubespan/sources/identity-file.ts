import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rename, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { UnixMilliseconds } from '../../shared/clock.ts'
import { decodeNodeId, encodeNodeId } from '../../shared/identity/node-id.ts'
import { checkOwnDirectory, NotOursError, openOwnFile } from '../host/own-files.ts'

/** A file of this node's identity that cannot be used. It is never replaced: whoever broke it may have a copy. */
export class IdentityFileError extends Error {
  override readonly name = 'IdentityFileError'
  readonly path: string

  constructor(path: string, problem: string, cause?: unknown) {
    super(`${path}: ${problem}`, cause === undefined ? {} : { cause })
    this.path = path
  }
}

/** A Curve25519 key pair, standard base64 of 32 bytes each. */
export interface KeyPair {
  readonly privateKey: string
  readonly publicKey: string
}

const NODE_FILE = 'node-identity.yaml'
const KUBESPAN_FILE = 'kubespan-identity.yaml'
const NODE_ID_BYTES = 32
/** The last one says which records were published under it. */
const IDENTITY_FILES = [NODE_FILE, KUBESPAN_FILE, 'own-records.json']

/**
 * The node id in the state directory, made on first use (SPEC 3.1).
 * @throws IdentityFileError when the file is there but holds none; NotOursError when it, or its directory, is somebody else's
 */
export async function loadOrCreateNodeId(directory: string): Promise<string> {
  const path = join(directory, NODE_FILE)
  return await loadOrCreate(path, () => ({ nodeId: encodeNodeId(randomBytes(NODE_ID_BYTES)) }), parseNodeId)
}

/**
 * The WireGuard keys in the state directory, made on first use (SPEC 3.2). Address and subnet in the file are for
 * people's habits only: both are computed anew.
 * @throws IdentityFileError when the file is there but does not hold a pair; NotOursError as above
 */
export async function loadOrCreateKeys(directory: string): Promise<KeyPair> {
  const path = join(directory, KUBESPAN_FILE)
  return await loadOrCreate(path, () => ({ address: '', subnet: '', ...generateKeys() }), parseKeys)
}

/**
 * Moves the identity of this node into a directory of its own, so that the next start makes a new one. Returns that directory, or
 * undefined when there is nothing to move.
 */
export async function setIdentityAside(
  directory: string,
  now: UnixMilliseconds,
): Promise<string | undefined> {
  await checkOwnDirectory(directory)
  const present = await identityFiles(directory)
  if (present.length === 0) return undefined
  const backup = join(directory, `identity-${new Date(now).toISOString().replace(/[:.]/g, '-')}`)
  await mkdir(backup, { mode: 0o700 })
  for (const name of present) await rename(join(directory, name), join(backup, name))
  return backup
}

export const hasIdentity = async (directory: string): Promise<boolean> =>
  (await identityFiles(directory)).length > 0

const identityFiles = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory).catch(() => [])).filter((name) => IDENTITY_FILES.includes(name))

type Parse<T> = (document: Record<string, unknown>, path: string) => T

async function loadOrCreate<T>(path: string, make: () => object, parseDocument: Parse<T>): Promise<T> {
  const text = (await readIfThere(path)) ?? (await createExclusively(path, stringify(make())))
  return parseDocument(parseYaml(text, path), path)
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    await checkOwnDirectory(dirname(path))
    await using file = await openOwnFile(path, constants.O_RDONLY)
    const text = await file.readFile('utf8')
    await file.chmod(0o600)
    return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof NotOursError) throw error
    throw new IdentityFileError(path, 'cannot be read', error)
  }
}

/** The whole file appears at once or not at all; of two that try, one makes it and both read that one. */
async function createExclusively(path: string, text: string): Promise<string> {
  const draft = `${path}.${randomUUID()}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await checkOwnDirectory(dirname(path))
    await writeDurably(draft, text)
    const isOurs = await linkUnlessThere(draft, path)
    await using parent = await open(dirname(path), 'r')
    await parent.sync()
    if (isOurs) return text
  } catch (error) {
    if (error instanceof NotOursError) throw error
    throw new IdentityFileError(path, 'cannot be written', error)
  } finally {
    await unlink(draft).catch(() => undefined)
  }
  return (await readIfThere(path)) ?? ''
}

/** Unlike a rename, a link never replaces. */
async function linkUnlessThere(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file: FileHandle = await open(path, 'wx', 0o600)
  await file.writeFile(text)
  await file.sync()
}

function parseYaml(text: string, path: string): Record<string, unknown> {
  if (text.trim() === '') throw new IdentityFileError(path, 'is empty')
  let document: unknown
  try {
    document = parse(text)
  } catch {
    // The parser's message quotes the text, which may hold a key.
    throw new IdentityFileError(path, 'is not YAML')
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new IdentityFileError(path, 'is not a mapping')
  return document as Record<string, unknown>
}

function parseNodeId({ nodeId }: Record<string, unknown>, path: string): string {
  if (typeof nodeId !== 'string' || nodeId === '' || decodeNodeId(nodeId) === undefined)
    throw new IdentityFileError(path, 'has no valid nodeId')
  return nodeId
}

function parseKeys({ privateKey, publicKey }: Record<string, unknown>, path: string): KeyPair {
  if (typeof privateKey !== 'string' || !isKey(privateKey))
    throw new IdentityFileError(path, 'has no valid privateKey')
  if (publicKeyOf(privateKey) !== publicKey)
    throw new IdentityFileError(path, 'has a publicKey that does not belong to its privateKey')
  return { privateKey, publicKey }
}

const KEY_BYTES = 32

function isKey(text: string): boolean {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === KEY_BYTES && bytes.toString('base64') === text
}

/** What precedes the 32 bytes in the DER forms of RFC 8410. */
const PKCS8_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const SPKI_HEAD_BYTES = 12

/** The public key of an X25519 private key, both in base64. */
export function publicKeyOf(privateKey: string): string {
  const der = Buffer.concat([PKCS8_HEAD, Buffer.from(privateKey, 'base64')])
  const key = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  return key.export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD_BYTES).toString('base64')
}

/** Clamped as `wg genkey` does: it is what WireGuard shows of the key it was given. */
export function generateKeys(): KeyPair {
  const der = generateKeyPairSync('x25519').privateKey.export({ format: 'der', type: 'pkcs8' })
  const bytes = der.subarray(PKCS8_HEAD.length)
  bytes[0] = (bytes[0] ?? 0) & 0xf8
  bytes[31] = ((bytes[31] ?? 0) & 0x7f) | 0x40
  const privateKey = bytes.toString('base64')
  return { privateKey, publicKey: publicKeyOf(privateKey) }
}
