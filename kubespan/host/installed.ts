import { access, constants } from 'node:fs/promises'
import { SYSTEM_PATH } from './runner.ts'

/** Programs of the host that we may use, and the Debian packages that hold them. */
export const PACKAGES = {
  ip: 'iproute2',
  nft: 'nftables',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  'systemd-notify': 'systemd',
} as const
export type Program = keyof typeof PACKAGES

/** Which of the programs can be started from here. */
export async function findPrograms(
  names: readonly Program[],
  path: string = SYSTEM_PATH,
): Promise<ReadonlySet<Program>> {
  const found = await Promise.all(names.map(async (name) => ((await isIn(path, name)) ? [name] : [])))
  return new Set(found.flat())
}

const isIn = async (path: string, name: string): Promise<boolean> =>
  (
    await Promise.all(
      path.split(':').map((directory) =>
        access(`${directory}/${name}`, constants.X_OK).then(
          () => true,
          () => false,
        ),
      ),
    )
  ).includes(true)
