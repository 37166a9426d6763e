import { type Prefix, splitPrefix } from '../../../shared/net/address.ts'
import { PrefixSet } from '../../../shared/net/prefix-set.ts'

/**
 * What no machine is sent across networks (RFC 6890): this network, loopback, link-local, multicast, reserved, broadcast, and IPv4 in the
 * form of IPv6. Who asked for it would be believed as a source that hosts trust, or as the metadata service of a cloud.
 */
const NOBODYS = PrefixSet.of([
  ...(['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'] as Prefix[]),
  ...(['::/127', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8'] as Prefix[]),
])
/** Whatever lies within begins so: only few claims are looked at more closely. */
const MAY_BE_NOBODYS = /^(?:0|127|169|2[2-5]\d)\.|^(?:::|f[ef])/

/** What is this very host's, as single addresses. */
export interface OwnPrefixes {
  readonly mesh: Prefix
  /** Of links: that others claim them is told with everything else that is local here. */
  readonly host: ReadonlySet<Prefix>
}

export interface PartedClaims {
  readonly prefixes: readonly Prefix[]
  /** Refused, whoever asks for it. */
  readonly senseless: readonly Prefix[]
  /** Of this host: refused, but never sent in clear either should the address move away. */
  readonly ours: readonly Prefix[]
}

/** Parts what somebody asks for from what makes no sense. Who claims more than that, as everything, keeps it: what is nobody's is not routed. */
export function partSenseless(prefixes: readonly Prefix[], own: OwnPrefixes | undefined): PartedClaims {
  const parted = Map.groupBy(prefixes, (prefix) =>
    prefix === own?.mesh || isNobodys(prefix) ? 'senseless' : own?.host.has(prefix) ? 'ours' : 'prefixes',
  )
  return {
    prefixes: parted.get('prefixes') ?? [],
    senseless: parted.get('senseless') ?? [],
    ours: parted.get('ours') ?? [],
  }
}

const isNobodys = (prefix: Prefix): boolean =>
  MAY_BE_NOBODYS.test(prefix) &&
  splitPrefix(prefix).bits > 0 &&
  PrefixSet.of([prefix]).subtract(NOBODYS).isEmpty
