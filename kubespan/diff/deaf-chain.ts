import { type AddressPort, familyOf, splitAddressPort, zoneOf } from '../../shared/net/address.ts'
import { DEAF } from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'

const SETS = [
  { family: 4, name: DEAF.setV4, type: 'ipv4_addr', address: 'ip saddr' },
  { family: 6, name: DEAF.setV6, type: 'ipv6_addr', address: 'ip6 saddr' },
] as const

/** Elements end by themselves, so that what a crash leaves is deaf to nobody. Longer than any trial. */
const ELEMENT_TIMEOUT_SECONDS = 5
/** Before connections are tracked. */
const PRIORITY_RAW = -300

/**
 * Drops what arrives for WireGuard from exactly these addresses and ports; `nft -f` makes it so in one transaction, whatever
 * stood there before. It is no part of the table that is compared with what it should be: it comes and goes within seconds, and
 * where it cannot be had the rest of the table must not suffer.
 */
export function deafenScript(
  { nftTable, listenPort }: Pick<Placement, 'nftTable' | 'listenPort'>,
  sources: readonly AddressPort[],
): string {
  const table = `inet ${nftTable}`
  const lines = SETS.flatMap(({ family, name, type }) => {
    const elements = sources
      .filter((source) => familyOf(source) === family && zoneOf(splitAddressPort(source).address) === '')
      .map(splitAddressPort)
      .map(({ address, port }) => `${address} . ${port}`)
    return [
      `add set ${table} ${name} { type ${type} . inet_service; flags timeout; timeout ${ELEMENT_TIMEOUT_SECONDS}s; }`,
      `flush set ${table} ${name}`,
      ...(elements.length === 0 ? [] : [`add element ${table} ${name} { ${elements.join(', ')} }`]),
    ]
  })
  return script([
    ...lines,
    `add chain ${table} ${DEAF.chain} { type filter hook input priority ${PRIORITY_RAW}; policy accept; }`,
    `flush chain ${table} ${DEAF.chain}`,
    ...SETS.map(
      ({ name, address }) =>
        `add rule ${table} ${DEAF.chain} udp dport ${listenPort} ${address} . udp sport @${name} drop`,
    ),
  ])
}

/** Takes it away again. */
export const hearAgainScript = ({ nftTable }: Pick<Placement, 'nftTable'>): string =>
  script([
    `delete chain inet ${nftTable} ${DEAF.chain}`,
    ...SETS.map(({ name }) => `delete set inet ${nftTable} ${name}`),
  ])

const script = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('')
