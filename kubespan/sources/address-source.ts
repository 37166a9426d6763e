import { join } from 'node:path'
import { readOwnFile } from '../host/own-files.ts'
import { replaceFile } from './state-file.ts'

/** What the mesh address of this node is made of. */
export type AddressSource = 'hardware address' | 'node id'

const FILE = 'mesh-address.json'
const FORMAT = 'openspan mesh address 1'

/** A hardware address, unless another node had the same: an address that was left is never taken again. */
export async function loadAddressSource(directory: string): Promise<AddressSource> {
  try {
    const { format, madeFrom } = JSON.parse(`${await readOwnFile(join(directory, FILE))}`)
    return format === FORMAT && madeFrom === 'node id' ? 'node id' : 'hardware address'
  } catch {
    return 'hardware address'
  }
}

/** @throws as replaceFile does */
export async function saveAddressSource(directory: string, madeFrom: AddressSource): Promise<void> {
  await replaceFile(join(directory, FILE), `${JSON.stringify({ format: FORMAT, madeFrom })}\n`)
}
