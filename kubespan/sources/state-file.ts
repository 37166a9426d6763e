import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkOwnDirectory } from '../host/own-files.ts'

/**
 * Replaces a file of the state directory in one step, mode 0600.
 * @throws when the directory cannot be written, is somebody else's, or is full; the old file is whole then
 */
export async function replaceFile(path: string, contents: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await checkOwnDirectory(dirname(path))
  const draft = `${path}.${randomUUID()}`
  try {
    await using file = await open(draft, 'wx', 0o600)
    await file.writeFile(contents)
    await file.sync()
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
