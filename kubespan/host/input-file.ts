import { randomUUID } from 'node:crypto'
import { type FileHandle, open, unlink } from 'node:fs/promises'

/** Lends a descriptor that reads as `input`: a file of mode 0600 that has lost its name before anything is written to it. */
export async function withInputFile<T>(
  directory: string,
  input: Uint8Array,
  use: (fd: number) => Promise<T>,
): Promise<T> {
  const path = `${directory}/.input-${randomUUID()}`
  const file = await open(path, 'wx+', 0o600)
  try {
    await unlink(path)
    await writeFromStart(file, input)
    return await use(file.fd)
  } finally {
    await file.close()
  }
}

/** Leaves the read position at the start: the child shares it. */
async function writeFromStart(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; )
    written += (await file.write(bytes, written, bytes.length - written, written)).bytesWritten
}
