import { access, constants } from 'node:fs/promises'
import { SYSTEM_PATH } from './runner.ts'

/** Programs of the host that we may use. */
export const PROGRAMS = ['ip', 'nft', 'wg', 'wireguard-go', 'systemd-notify', 'fping'] as const
export type Program = (typeof PROGRAMS)[number]

/** Which of the programs can be started from here. */
export async function findPrograms(
  names: readonly Program[],
  path: string = SYSTEM_PATH,
): Promise<ReadonlySet<Program>> {
  const found = await Promise.all(
    names.map(async (name) => ((await findFile(name, constants.X_OK, path)) === undefined ? [] : [name])),
  )
  return new Set(found.flat())
}

/** The first file of this name that may be used so. */
export async function findFile(
  name: Program,
  use: number,
  path: string = SYSTEM_PATH,
): Promise<string | undefined> {
  const files = path.split(':').map((directory) => `${directory}/${name}`)
  const usable = await Promise.all(
    files.map((file) =>
      access(file, use).then(
        () => true,
        () => false,
      ),
    ),
  )
  return files.find((_, index) => usable[index])
}
