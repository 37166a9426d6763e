import type { Instant, UnixMilliseconds } from '../../shared/clock.ts'
import { type AddressPort, type Prefix, parseAddressPort, parsePrefix } from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { PublicKey, WireGuardPeer, WireGuardView } from '../model/peer.ts'

/** The same moment on both clocks. */
export interface Moment {
  readonly now: Instant
  readonly wall: UnixMilliseconds
}

/**
 * The lines of the last dump and what they said: of a thousand peers most say the same as at the last look, or other numbers and
 * nothing else. A peer whose line has not changed is the very same value again.
 */
export class DumpMemo {
  #expectedKey: string | undefined
  readonly #known = new Map<PublicKey, { line: string; peer: WireGuardPeer }>()

  /** A new look begins. What was read with another preshared key in mind is forgotten. */
  begin(expectedKey: string | undefined): void {
    if (expectedKey !== this.#expectedKey) this.#known.clear()
    this.#expectedKey = expectedKey
  }

  peer(line: string, read: (known: WireGuardPeer | undefined) => WireGuardPeer): WireGuardPeer {
    const key = line.slice(0, line.indexOf('\t'))
    const known = this.#known.get(key)
    if (known === undefined) {
      const peer = read(undefined)
      this.#known.set(peer.publicKey, { line, peer })
      return peer
    }
    if (known.line !== line) known.peer = read(known.peer)
    // Also where it is equal: a part of a text keeps all of it in memory, and one dump is enough.
    known.line = line
    return known.peer
  }

  /** Forgets everybody else. */
  end(present: ReadonlyMap<PublicKey, unknown>): void {
    if (this.#known.size === present.size) return
    for (const key of this.#known.keys()) if (!present.has(key)) this.#known.delete(key)
  }
}

/**
 * The device as it is; undefined when there is none, or the link of that name is of another kind. A peer has our
 * preshared key when it has exactly the one given here; without one given, when it has any.
 */
export async function observeWireGuard(
  host: Pick<Host, 'clock' | 'run'>,
  linkName: string,
  presharedKey?: string,
  memo = new DumpMemo(),
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
  memo = new DumpMemo(),
): WireGuardView {
  memo.begin(presharedKey)
  const [device = '', ...lines] = text.split('\n').filter((line) => line !== '')
  const [, publicKey = NONE, listenPort, fwmark = OFF] = device.split('\t')
  const peers = new Map<PublicKey, WireGuardPeer>()
  for (const line of lines) {
    const peer = memo.peer(line, (known) => parsePeer(line.split('\t'), moment, presharedKey, known))
    peers.set(peer.publicKey, peer)
  }
  memo.end(peers)
  return {
    publicKey: publicKey === NONE ? undefined : publicKey,
    listenPort: Number(listenPort),
    fwmark: fwmark === OFF ? 0 : Number(fwmark),
    peers,
  }
}

const NONE = '(none)'
const OFF = 'off'

function parsePeer(
  fields: readonly string[],
  moment: Moment,
  expectedKey: string | undefined,
  known: WireGuardPeer | undefined,
): WireGuardPeer {
  const [publicKey = '', presharedKey = NONE, endpoint = NONE, allowedIps = NONE, ...numbers] = fields
  const [handshake, received, sent, keepalive = OFF] = numbers
  const stamp = Number(handshake)
  return {
    publicKey: known?.publicKey ?? standalone(publicKey),
    hasPresharedKey: expectedKey === undefined ? presharedKey !== NONE : presharedKey === expectedKey,
    endpoint: endpoint === known?.endpoint ? known.endpoint : parseEndpoint(endpoint),
    allowedIps: allowedIps === known?.allowedIps.join() ? known.allowedIps : parsePrefixes(allowedIps),
    lastHandshakeStamp: stamp === 0 ? undefined : stamp,
    lastHandshakeAt: stamp === 0 ? undefined : instantOf(stamp, moment),
    receiveBytes: Number(received),
    transmitBytes: Number(sent),
    keepaliveSeconds: keepalive === OFF ? 0 : Number(keepalive),
  }
}

/** A copy that does not keep in memory what it was cut out of. */
const standalone = (part: string): string => Buffer.from(part).toString()

const parseEndpoint = (text: string): AddressPort | undefined =>
  text === NONE ? undefined : parseAddressPort(standalone(text))

const parsePrefixes = (list: string): readonly Prefix[] =>
  list === NONE
    ? []
    : standalone(list)
        .split(',')
        .flatMap((text) => parsePrefix(text) ?? [])

/** `wg` cuts the stamp to whole seconds: the handshake was in the second that it names. */
const SECOND_MILLISECONDS = 1000

const instantOf = (stampSeconds: number, { now, wall }: Moment): Instant =>
  Math.min(now, now - (wall - (stampSeconds + 1) * SECOND_MILLISECONDS))
