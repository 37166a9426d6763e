import { type Address, addressFromBytes, familyOf } from '../../shared/net/address.ts'
import type { PrefixSet } from '../../shared/net/prefix-set.ts'
import { OLDER } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'

/** A TCP connection of this host, by what is not the same for all of its kind. */
export interface TcpConnection {
  readonly localPort: number
  readonly remote: Address
  readonly remotePort: number
}

/** States as in the kernel's tcp_states.h. One whose handshake is not finished may have come from anybody: it is none yet. */
const ESTABLISHED = 1
const CLOSE_WAIT = 8
const LISTEN = 10

const ROW = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]{2}) /gm

/**
 * /proc/net/tcp and tcp6 → the connections to ports that somebody listens at. No others are called from such a port: the kernel
 * gives it to nobody who calls out.
 */
export function parseAccepted(text: string): TcpConnection[] {
  const rows = [...text.matchAll(ROW)].map(([, local = '', remote = '', port = '', state = '']) => ({
    localPort: Number.parseInt(local, 16),
    remote,
    remotePort: Number.parseInt(port, 16),
    state: Number.parseInt(state, 16),
  }))
  const served = new Set(rows.filter(({ state }) => state === LISTEN).map(({ localPort }) => localPort))
  return rows.flatMap(({ state, remote: hex, ...row }) => {
    const remote = state === ESTABLISHED || state === CLOSE_WAIT ? addressOf(hex) : undefined
    return remote === undefined || !served.has(row.localPort) ? [] : [{ ...row, remote }]
  })
}

const MAPPED = /^0{20}f{4}/

/** In words of four bytes, each printed as a number of this machine: of a little-endian one, as all that Node runs on but s390x. */
function addressOf(hex: string): Address | undefined {
  const words = hex.match(/.{8}/g) ?? []
  const ordered = words.map((word) => word.match(/../g)?.reverse().join('') ?? '').join('')
  return addressFromBytes(Buffer.from(ordered.toLowerCase().replace(MAPPED, ''), 'hex'))
}

/**
 * Lets the answers of connections out that are older than our table. What is tracked from the middle has the direction of the
 * first packet that is seen, and if that was an answer, nothing else tells that its caller came from outside.
 *
 * Exactly these connections, to `ports` that were not guarded before, and none with an address from which something has come
 * through the tunnel: `heard`. Empty when there are none.
 */
export function olderConnectionsScript(
  { nftTable }: Pick<Placement, 'nftTable'>,
  connections: readonly TcpConnection[],
  ports: readonly number[],
  heard: PrefixSet,
): string {
  const older = connections.filter(
    ({ localPort, remote }) => ports.includes(localPort) && !heard.contains(remote),
  )
  return ([4, 6] as const)
    .flatMap((family) => {
      const elements = older
        .filter(({ remote }) => familyOf(remote) === family)
        .map(({ remote, remotePort, localPort }) => `${remote} . ${remotePort} . ${localPort}`)
      const set = family === 4 ? OLDER.setV4 : OLDER.setV6
      return elements.length === 0
        ? []
        : [`add element inet ${nftTable} ${set} { ${[...new Set(elements)].join(', ')} }\n`]
    })
    .join('')
}
