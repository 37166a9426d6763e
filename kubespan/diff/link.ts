import { isUlaOfPurpose, ULA_PURPOSE } from '../../shared/identity/ula.ts'
import { type Address, type Family, familyOf } from '../../shared/net/address.ts'
import { LINK_IPV4 } from '../model/constants.ts'
import type { DesiredState } from '../model/desired.ts'
import type { ObservedAddress } from '../model/observed.ts'
import type { Change } from './change.ts'

/** Our link as `ip` shows it. */
export interface LinkView {
  /** `wireguard`, `tun` for a userspace one; undefined when the kernel names no kind. */
  readonly kind: string | undefined
  /** Administratively up. */
  readonly isUp: boolean
  readonly mtuBytes: number
  readonly addresses: readonly ObservedAddress[]
}

/** The settings that decide what becomes of packets out of the tunnel; undefined where the kernel has none. */
export interface LinkSettings {
  readonly rpFilterAll: number | undefined
  readonly rpFilterLink: number | undefined
  readonly disableIpv6: number | undefined
  /** Of our link alone. That of IPv6 exists since Linux 6.17. */
  readonly forwardingV4: number | undefined
  readonly forwardingV6: number | undefined
}

export interface SettingOperation {
  readonly kind: 'set'
  /** Below /proc/sys/net. */
  readonly path: string
  readonly value: string
}

export type LinkOperation =
  | { readonly kind: 'mtu'; readonly mtuBytes: number }
  | { readonly kind: 'up' }
  | { readonly kind: 'add' | 'remove'; readonly address: Address; readonly bits: number }

export interface LinkDiff {
  readonly operations: readonly LinkOperation[]
  readonly warnings: readonly string[]
}

const RP_FILTER_STRICT = 1
const RP_FILTER_LOOSE = 2

/** What to set first, because what follows depends on whether that was allowed. */
export function diffLinkSettings(
  { placement: { linkName }, forwarding }: Pick<DesiredState, 'placement' | 'forwarding'>,
  settings: LinkSettings,
): SettingOperation[] {
  const { rpFilterLink = 0, disableIpv6 = 0, forwardingV4, forwardingV6 } = settings
  const mustForward = (family: Family, value: number | undefined): boolean =>
    value === 0 && forwarding?.byLink?.includes(family) === true
  return [
    ...(rpFilterLink === 0 ? [] : [set(settingPaths(linkName).rpFilterLink, '0')]),
    ...(disableIpv6 === 0 ? [] : [set(settingPaths(linkName).disableIpv6, '0')]),
    ...(mustForward(4, forwardingV4) ? [set(settingPaths(linkName).forwardingV4, '1')] : []),
    ...(mustForward(6, forwardingV6) ? [set(settingPaths(linkName).forwardingV6, '1')] : []),
  ]
}

/** Below /proc/sys/net. */
export const settingPaths = (linkName: string): Readonly<Record<keyof LinkSettings, string>> => ({
  rpFilterAll: 'ipv4/conf/all/rp_filter',
  rpFilterLink: `ipv4/conf/${linkName}/rp_filter`,
  disableIpv6: `ipv6/conf/${linkName}/disable_ipv6`,
  forwardingV4: `ipv4/conf/${linkName}/forwarding`,
  forwardingV6: `ipv6/conf/${linkName}/force_forwarding`,
})

const set = (path: string, value: string): SettingOperation => ({ kind: 'set', path, value })

/**
 * What makes the link what it should be, in order.
 *
 * Reverse path filtering works with the stricter of the link's setting and the one for all, and even the loose one
 * drops what arrives at a link without IPv4 address. So under the loose one the link gets an address; against the
 * strict one nothing on the link helps.
 */
export function diffLink(
  { mtuBytes, address, addressBits, placement }: DesiredState,
  link: LinkView,
  { rpFilterAll = 0, rpFilterLink = 0, disableIpv6 }: LinkSettings,
): LinkDiff {
  const rpFilter = Math.max(rpFilterAll, rpFilterLink)
  const wanted: ObservedAddress[] = []
  const warnings: string[] = []
  if (disableIpv6 === 0) wanted.push({ address, bits: addressBits, scope: 'global' })
  else
    warnings.push(
      `${withoutIpv6(disableIpv6, placement)}: mesh addresses do not work, IPv4 through the mesh does`,
    )
  if (rpFilter === RP_FILTER_LOOSE) wanted.push({ address: LINK_IPV4 as Address, bits: 32, scope: 'link' })
  if (rpFilter === RP_FILTER_STRICT) {
    const setting = `net.ipv4.conf.${rpFilterAll === rpFilter ? 'all' : placement.linkName}.rp_filter`
    warnings.push(
      `${setting} is 1 (strict): IPv4 packets out of the mesh are dropped on this host; ` +
        `set it to 0 or 2 (sysctl -w ${setting}=2)`,
    )
  }
  const operations: LinkOperation[] = []
  if (link.mtuBytes !== mtuBytes) operations.push({ kind: 'mtu', mtuBytes })
  if (!link.isUp) operations.push({ kind: 'up' })
  return { operations: [...operations, ...diffAddresses(wanted, link.addresses)], warnings }
}

function withoutIpv6(disableIpv6: number | undefined, { linkName }: DesiredState['placement']): string {
  if (disableIpv6 === undefined) return 'there is no IPv6 on this host'
  const setting = `net.ipv6.conf.${linkName}.disable_ipv6`
  return `${setting} is ${disableIpv6} and cannot be set from here (sysctl -w ${setting}=0, on the host of a container)`
}

function diffAddresses(
  wanted: readonly ObservedAddress[],
  found: readonly ObservedAddress[],
): LinkOperation[] {
  const missing = wanted.filter(
    ({ address, bits }) => !found.some((other) => other.address === address && other.bits === bits),
  )
  const surplus = found.filter(
    ({ address, bits }) =>
      isOurs(address) && !wanted.some((other) => other.address === address && other.bits === bits),
  )
  // The kernel refuses the same address with another length, so that one has to go first.
  const [inTheWay, old] = [
    surplus.filter(({ address }) => missing.some((other) => other.address === address)),
    surplus.filter(({ address }) => !missing.some((other) => other.address === address)),
  ]
  return [
    ...inTheWay.map(({ address, bits }) => ({ kind: 'remove' as const, address, bits })),
    ...missing.map(({ address, bits }) => ({ kind: 'add' as const, address, bits })),
    ...old.map(({ address, bits }) => ({ kind: 'remove' as const, address, bits })),
  ]
}

/** An address that somebody else put on our link stays. */
const isOurs = (address: Address): boolean =>
  address === LINK_IPV4 || isUlaOfPurpose(address, ULA_PURPOSE.kubespan)

/** Arguments of `ip`. */
export function linkArguments(
  linkName: string,
  operation: Exclude<LinkOperation, { kind: 'set' }>,
): string[] {
  switch (operation.kind) {
    case 'mtu':
      return ['link', 'set', 'dev', linkName, 'mtu', `${operation.mtuBytes}`]
    case 'up':
      return ['link', 'set', 'dev', linkName, 'up']
    case 'remove':
      return ['address', 'del', `${operation.address}/${operation.bits}`, 'dev', linkName]
    case 'add':
      return [
        ...['address', 'add', `${operation.address}/${operation.bits}`, 'dev', linkName],
        // Nobody else can have it, and an address on trial cannot be sent from.
        ...(familyOf(operation.address) === 6 ? ['nodad'] : ['scope', 'link']),
      ]
    default:
      return operation satisfies never
  }
}

export function describeLinkOperation(operation: LinkOperation | SettingOperation): Change {
  switch (operation.kind) {
    case 'set':
      return {
        action: 'change',
        what: `setting net/${operation.path}`,
        reason: `is to be ${operation.value}`,
      }
    case 'mtu':
      return { action: 'change', what: 'link mtu', reason: `is to be ${operation.mtuBytes}` }
    case 'up':
      return { action: 'change', what: 'link state', reason: 'was down' }
    case 'add':
    case 'remove':
      return {
        action: operation.kind,
        what: `address ${operation.address}/${operation.bits}`,
        reason: operation.kind === 'add' ? 'missing' : 'not wanted any more',
      }
    default:
      return operation satisfies never
  }
}
