import { constants, readFileSync, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, stat } from 'node:fs/promises'
import { getegid, geteuid } from 'node:process'

/** A directory or file that somebody else made or may change: what lies there may be theirs. */
export class NotOursError extends Error {
  override readonly name = 'NotOursError'
}

/** Whom we are, and whom else we trust with our files. */
export interface Owners {
  readonly users: ReadonlySet<number>
  readonly groups: ReadonlySet<number>
}

const ROOT = 0
/** As which deploy/systemd has the daemon run: its files are good for root's commands as well. */
const SERVICE_USER = 'kubespan'

export function ownersOf(user: number, group: number, passwords: string): Owners {
  const line = passwords.split('\n').find((each) => each.startsWith(`${SERVICE_USER}:`))
  const service = user === ROOT && line !== undefined ? [Number(line.split(':')[2])] : []
  return { users: new Set([ROOT, user, ...service]), groups: new Set([ROOT, group]) }
}

let known: Owners | undefined
function owners(): Owners {
  known ??= ownersOf(geteuid?.() ?? ROOT, getegid?.() ?? ROOT, passwords())
  return known
}

function passwords(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8')
  } catch {
    return ''
  }
}

/**
 * Whether nobody else can put files there that we would take for ours. One that is not there yet is fine.
 * @throws NotOursError that says what to do
 */
export async function checkOwnDirectory(path: string, trusted = owners()): Promise<void> {
  const link = await lstat(path).catch(notThere)
  if (link === undefined) return
  const found = link.isSymbolicLink() ? await stat(path).catch(notThere) : link
  const problem =
    (link.isSymbolicLink() ? whoElse(link, trusted, 'is a link that') : undefined) ??
    (found?.isDirectory() === true
      ? (whoElse(found, trusted, 'is a directory that') ?? writers(found, trusted))
      : undefined)
  if (problem === undefined) return
  const user = geteuid?.() ?? ROOT
  throw new NotOursError(
    `${path} ${problem}, so what lies there may be somebody else's: move it away, or, if it is yours after all, ` +
      `"chown -R ${user} ${path}" and "chmod 0700 ${path}"`,
  )
}

/**
 * A file that we, or root, made, and no link. Its contents.
 * @throws NotOursError; or as `open` does, with the code ENOENT when there is none
 */
export async function readOwnFile(path: string, trusted = owners()): Promise<Buffer> {
  await using file = await openOwnFile(path, constants.O_RDONLY, trusted)
  return await file.readFile()
}

/** The same, open, with `flags` of open(2). */
export async function openOwnFile(path: string, flags: number, trusted = owners()): Promise<FileHandle> {
  const file = await open(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600).catch((error) => {
    throw error.code === 'ELOOP'
      ? new NotOursError(`${path} is a symbolic link, which is not followed`)
      : error
  })
  try {
    const found = await file.stat()
    const problem = found.isFile() ? whoElse(found, trusted, 'is a file that') : 'is no file'
    if (problem !== undefined) throw new NotOursError(`${path} ${problem}: it is not used`)
    return file
  } catch (error) {
    await file.close()
    throw error
  }
}

const whoElse = ({ uid }: Stats, { users }: Owners, what: string): string | undefined =>
  users.has(uid) ? undefined : `${what} belongs to user ${uid}`

function writers({ mode, gid }: Stats, { groups }: Owners): string | undefined {
  if (mode & 0o002) return 'may be written to by everybody'
  return mode & 0o020 && !groups.has(gid) ? `may be written to by group ${gid}` : undefined
}

/** Of anything else than that there is none, whoever opens it says why it cannot be had. */
const notThere = (): undefined => undefined
