import type { AddressPort } from '../../shared/net/address.ts'
import {
  deviceArguments,
  type InterfaceChange,
  type PeerChange,
  peersConfig,
  removalArguments,
} from '../diff/wireguard.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import { KEEPALIVE_SECONDS } from '../model/constants.ts'
import type { PublicKey } from '../model/peer.ts'
import type { RefusedPeer } from './refused-peers.ts'

/** What goes to `wg` through standard input and nowhere else; standard base64 of 32 bytes each. */
export interface MeshSecrets {
  readonly privateKey: string
  /** Of that private key. */
  readonly publicKey: PublicKey
  /** The same for all peers (SPEC 6.4): the cluster secret. */
  readonly presharedKey: string
}

/** The kernel takes about 17 ms for each; so a call ends well within the time limit of a tool. */
const REMOVALS_PER_CALL = 500
/** So many refused peers are sorted out; more of them mean that something else is wrong. */
const REFUSALS_MAX = 16

/** Sets what is wrong with the device, all at once: a listen port without its mark would send packets in circles. */
export async function applyDevice(
  host: Host,
  linkName: string,
  change: InterfaceChange,
  { privateKey }: MeshSecrets,
): Promise<void> {
  const input = change.privateKey === undefined ? undefined : `${privateKey}\n`
  await host.run('wg', deviceArguments(linkName, change), input)
}

/**
 * Writes new and changed peers in one call. What comes from other machines may hold something that `wg` refuses, and
 * then it refuses everything; so the rest is tried without it, and what was refused is reported.
 * @throws ToolError when it is not about single peers
 */
export async function applyPeers(
  host: Host,
  linkName: string,
  changes: readonly PeerChange[],
  { presharedKey }: MeshSecrets,
): Promise<readonly RefusedPeer[]> {
  const refused: RefusedPeer[] = []
  const write = async (part: readonly PeerChange[]): Promise<void> => {
    const [first] = part
    if (first === undefined) return
    try {
      await host.run('wg', ['addconf', linkName, '/dev/stdin'], peersConfig(part, presharedKey))
    } catch (error) {
      if (!(error instanceof ToolError) || error.kind !== 'failed' || refused.length === REFUSALS_MAX)
        throw error
      if (part.length === 1) {
        refused.push({ publicKey: first.peer.publicKey, error })
        return
      }
      const middle = part.length >> 1
      await write(part.slice(0, middle))
      await write(part.slice(middle))
    }
  }
  await write(changes)
  return refused
}

export async function removePeers(host: Host, linkName: string, keys: readonly PublicKey[]): Promise<void> {
  for (let start = 0; start < keys.length; start += REMOVALS_PER_CALL)
    await host.run('wg', removalArguments(linkName, keys.slice(start, start + REMOVALS_PER_CALL)))
}

/** Keepalive going from 0 to its value is what makes the kernel send at once, and so begin a handshake. */
export async function kickPeers(host: Host, linkName: string, keys: readonly PublicKey[]): Promise<void> {
  for (let start = 0; start < keys.length; start += REMOVALS_PER_CALL) {
    const part = keys.slice(start, start + REMOVALS_PER_CALL)
    const steps = [0, KEEPALIVE_SECONDS].flatMap((seconds) =>
      part.flatMap((key) => ['peer', key, 'persistent-keepalive', `${seconds}`]),
    )
    await host.run('wg', ['set', linkName, ...steps])
  }
}

/** Endpoints alone, of peers that are there. */
export async function setEndpoints(
  host: Host,
  linkName: string,
  endpoints: ReadonlyMap<PublicKey, AddressPort>,
): Promise<void> {
  const words = [...endpoints].flatMap(([key, endpoint]) => ['peer', key, 'endpoint', endpoint])
  for (let start = 0; start < words.length; start += 4 * REMOVALS_PER_CALL)
    await host.run('wg', ['set', linkName, ...words.slice(start, start + 4 * REMOVALS_PER_CALL)])
}
