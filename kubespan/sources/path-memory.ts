import { parseAddressPort } from '../../shared/net/address.ts'
import { readOwnFile } from '../host/own-files.ts'
import { replaceFile } from './state-file.ts'

/** Network → public key → endpoint, in the order in which they are to be read again. */
export type StoredPaths = readonly (readonly [
  network: string,
  paths: readonly (readonly [string, string])[],
])[]

const FORMAT = 'openspan paths 1'

/** Empty when there is no such file, or none that can be used: it is a help and never a condition. */
export async function loadPaths(path: string): Promise<StoredPaths> {
  try {
    const { format, networks } = JSON.parse(`${await readOwnFile(path)}`)
    if (format !== FORMAT) return []
    return (networks as StoredPaths).map(([network, paths]) => [
      String(network),
      paths.filter(([, endpoint]) => parseAddressPort(String(endpoint)) !== undefined),
    ])
  } catch {
    return []
  }
}

/** @throws as replaceFile does */
export const savePaths = (path: string, networks: StoredPaths): Promise<void> =>
  replaceFile(path, JSON.stringify({ format: FORMAT, networks }))
