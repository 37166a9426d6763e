import { type AddressPort, parseAddressPort, parsePrefix } from '../../../shared/net/address.ts'
import { readOwnFile } from '../../host/own-files.ts'
import type { OwnNode } from '../../model/kubernetes.ts'
import { replaceFile } from '../state-file.ts'

/**
 * What must be known before the API server can be asked, because it may be reached only through the mesh: where it is,
 * and which pod networks are ours.
 */
export interface Remembered {
  /** Of this node: another identity has nothing to remember. */
  readonly nodeId: string
  readonly own: OwnNode | undefined
  readonly apiServers: readonly AddressPort[]
}

export interface RegistryMemory {
  /** Undefined when there is nothing, or nothing that makes sense. */
  read(): Promise<Remembered | undefined>
  write(remembered: Remembered): Promise<void>
}

/** A small JSON file, mode 0600, replaced as a whole. */
export function registryMemoryFile(path: string): RegistryMemory {
  return {
    async read() {
      const text = await readOwnFile(path).catch(() => undefined)
      return text === undefined ? undefined : parse(text.toString())
    },
    write: (remembered) => replaceFile(path, JSON.stringify(remembered)),
  }
}

function parse(text: string): Remembered | undefined {
  try {
    const { nodeId, own, apiServers } = JSON.parse(text) as Partial<Remembered>
    if (typeof nodeId !== 'string') return undefined
    return {
      nodeId,
      own:
        typeof own?.name === 'string'
          ? { name: own.name, podCidrs: parsed(own.podCidrs, parsePrefix) }
          : undefined,
      apiServers: parsed(apiServers, parseAddressPort),
    }
  } catch {
    return undefined
  }
}

const parsed = <T>(texts: readonly string[] | undefined, parse: (text: string) => T | undefined): T[] =>
  (texts ?? []).map(parse).filter((value) => value !== undefined)
