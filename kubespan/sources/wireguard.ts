import type { Instant, UnixMilliseconds } from '../../shared/clock.ts'
import { type AddressPort, type Prefix, parseAddressPort, parsePrefix } from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { WireGuardPeer, WireGuardView } from '../model/peer.ts'

/** The same moment on both clocks. */
export interface Moment {
  readonly now: Instant
  readonly wall: UnixMilliseconds
}

/** Addresses that were read before: of a thousand peers, next to none has others than at the last look. */
export class AddressMemo {
  #endpoints = new Map<string, AddressPort | undefined>()
  #allowedIps = new Map<string, readonly Prefix[]>()
  #before = { endpoints: this.#endpoints, allowedIps: this.#allowedIps }

  /** A new look begins: what the last one did not need is forgotten. */
  turn(): void {
    this.#before = { endpoints: this.#endpoints, allowedIps: this.#allowedIps }
    this.#endpoints = new Map()
    this.#allowedIps = new Map()
  }

  endpoint(text: string): AddressPort | undefined {
    const endpoint = this.#before.endpoints.get(text) ?? parseAddressPort(text)
    this.#endpoints.set(text, endpoint)
    return endpoint
  }

  allowedIps(list: string): readonly Prefix[] {
    const prefixes = this.#before.allowedIps.get(list) ?? parsePrefixes(list)
    this.#allowedIps.set(list, prefixes)
    return prefixes
  }
}

/**
 * The device as it is; undefined when there is none, or the link of that name is of another kind. A peer has our
 * preshared key when it has exactly the one given here; without one given, when it has any.
 */
export async function observeWireGuard(
  host: Host,
  linkName: string,
  presharedKey?: string,
  memo = new AddressMemo(),
): Promise<WireGuardView | undefined> {
  try {
    const text = await host.run('wg', ['show', linkName, 'dump'])
    return parseWireGuardDump(text, { now: host.clock.now(), wall: host.clock.wall() }, presharedKey, memo)
  } catch (error) {
    if (error instanceof ToolError && ABSENT.test(error.stderr)) return undefined
    throw error
  }
}

/** The kernel's words, and those of `wg` where the kernel has no WireGuard and no socket of that name is answered. */
const ABSENT = /No such device|Protocol not supported|Operation not supported|Connection refused/

/** `wg show LINK dump`. Neither the private key nor a preshared key gets into the view. */
export function parseWireGuardDump(
  text: string,
  moment: Moment,
  presharedKey?: string,
  memo = new AddressMemo(),
): WireGuardView {
  memo.turn()
  const [device = '', ...peers] = text.split('\n').filter((line) => line !== '')
  const [, publicKey = NONE, listenPort, fwmark = OFF] = device.split('\t')
  return {
    publicKey: publicKey === NONE ? undefined : publicKey,
    listenPort: Number(listenPort),
    fwmark: fwmark === OFF ? 0 : Number(fwmark),
    peers: new Map(
      peers.map((line) => {
        const peer = parsePeer(line.split('\t'), moment, presharedKey, memo)
        return [peer.publicKey, peer]
      }),
    ),
  }
}

const NONE = '(none)'
const OFF = 'off'

function parsePeer(
  fields: readonly string[],
  moment: Moment,
  expectedKey: string | undefined,
  memo: AddressMemo,
): WireGuardPeer {
  const [publicKey = '', presharedKey = NONE, endpoint = NONE, allowedIps = NONE, ...numbers] = fields
  const [handshake, received, sent, keepalive = OFF] = numbers
  const stamp = Number(handshake)
  return {
    publicKey,
    hasPresharedKey: expectedKey === undefined ? presharedKey !== NONE : presharedKey === expectedKey,
    endpoint: endpoint === NONE ? undefined : memo.endpoint(endpoint),
    allowedIps: allowedIps === NONE ? [] : memo.allowedIps(allowedIps),
    lastHandshakeStamp: stamp === 0 ? undefined : stamp,
    lastHandshakeAt: stamp === 0 ? undefined : instantOf(stamp, moment),
    receiveBytes: Number(received),
    transmitBytes: Number(sent),
    keepaliveSeconds: keepalive === OFF ? 0 : Number(keepalive),
  }
}

const parsePrefixes = (list: string): Prefix[] => list.split(',').flatMap((text) => parsePrefix(text) ?? [])

/** `wg` cuts the stamp to whole seconds: the handshake was in the second that it names. */
const SECOND_MILLISECONDS = 1000

const instantOf = (stampSeconds: number, { now, wall }: Moment): Instant =>
  Math.min(now, now - (wall - (stampSeconds + 1) * SECOND_MILLISECONDS))
