import { familyOf, isLinkLocal, maskPrefix, prefixContains, prefixOf } from '../../../shared/net/address.ts'
import { describePathFilter, dropsFromTunnel } from '../../diff/chain-detours.ts'
import { error, type Finding, info, ok, warning } from '../../model/finding.ts'
import { forwardsPackets } from '../../sources/forwarding.ts'
import type { Facts } from '../facts.ts'

/** What decides whether packets pass: reverse path filter, forwarding, MTU, firewalls. */

const RP_FILTER_STRICT = '1'
const RP_FILTER_LOOSE = '2'

/** The stricter of the setting for all and that of the link counts; the daemon sees to the link's. */
export function checkReversePath({ sysctls, settings }: Facts): Finding[] {
  const { linkName } = settings.placement
  const link = sysctls.get(`ipv4/conf/${linkName}/rp_filter`)
  const findings: Finding[] = []
  switch (sysctls.get('ipv4/conf/all/rp_filter')) {
    case RP_FILTER_STRICT:
      findings.push(
        error(
          'rp_filter',
          'net.ipv4.conf.all.rp_filter is 1 (strict): IPv4 packets out of the mesh are dropped here',
          'sysctl -w net.ipv4.conf.all.rp_filter=2 && echo net.ipv4.conf.all.rp_filter=2 > /etc/sysctl.d/99-kubespan.conf',
        ),
      )
      break
    case RP_FILTER_LOOSE:
      findings.push(
        info('rp_filter', `loose for all: the daemon gives link ${linkName} an IPv4 address, and it works`),
      )
      break
    default:
  }
  if (link !== undefined && link !== '0')
    findings.push(
      warning(
        'rp_filter',
        `net.ipv4.conf.${linkName}.rp_filter is ${link}: the daemon sets it to 0, something sets it back`,
        `sysctl -w net.ipv4.conf.${linkName}.rp_filter=0`,
      ),
    )
  return findings.length > 0 ? findings : [ok('rp_filter', 'lets packets of the mesh in')]
}

/** Filters of others that look for the way back to a source: the daemon can help those that go by the mark. */
export function checkPathFilters({ pathFilters, settings }: Facts): Finding[] {
  if (!('value' in pathFilters)) return []
  const { linkName } = settings.placement
  return pathFilters.value
    .filter((filter) => dropsFromTunnel(filter, linkName))
    .map((filter) => {
      const { family, table, chain, hook, priority, byMark } = filter
      if (byMark === undefined)
        return info(
          'path filter',
          `chain ${chain} of table ${family} ${table} (${hook}, ${priority}) has rpfilter of iptables: without --validmark it drops what comes out of the tunnel`,
          `--validmark in that rule, or "! -i ${linkName}"`,
        )
      const { what, mend } = describePathFilter(filter, linkName)
      return warning('path filter', what, mend)
    })
}

/** Packets of pods are forwarded; without any of them nothing needs to be. */
export function checkForwarding({ sysctls, settings }: Facts): Finding[] {
  if (!settings.advertiseKubernetesNetworks) return []
  const off = (
    [
      ['ipv4/ip_forward', 'net.ipv4.ip_forward'],
      ['ipv6/conf/all/forwarding', 'net.ipv6.conf.all.forwarding'],
    ] as const
  ).filter(([path]) => sysctls.get(path) === '0')
  const podFamilies = new Set(settings.node.podCidrs.map(familyOf))
  const needed = off.filter(
    ([path]) => podFamilies.size === 0 || podFamilies.has(path.startsWith('ipv4') ? 4 : 6),
  )
  return needed.length === 0
    ? [ok('forwarding', 'packets of pods are forwarded')]
    : needed.map(([, name]) =>
        warning('forwarding', `${name} is 0: packets for pods are not forwarded`, `sysctl -w ${name}=1`),
      )
}

/** What WireGuard adds to a packet: its own 32 bytes, UDP, and an outer header. */
const OVERHEAD_V4_BYTES = 60
const OVERHEAD_V6_BYTES = 80
/** What the tunnels of pod networks add in turn: VXLAN and Geneve over IPv4. */
const OVERLAY_OVERHEAD_BYTES = 50
const OVERLAYS = new Set(['vxlan', 'geneve'])

export function checkMtu({ links, uplinks, settings }: Facts): Finding[] {
  if (!('value' in links) || !('value' in uplinks)) return []
  const { mtuBytes, placement } = settings
  const findings: Finding[] = []
  for (const { family, dev } of uplinks.value) {
    const link = links.value.find(({ name }) => name === dev)
    const limit = (link?.mtuBytes ?? 65_535) - (family === 4 ? OVERHEAD_V4_BYTES : OVERHEAD_V6_BYTES)
    if (mtuBytes > limit)
      findings.push(
        warning(
          'mtu',
          `${dev} carries ${link?.mtuBytes} bytes over IPv${family}, too few for a tunnel of ${mtuBytes}: packets are cut or lost`,
          `mtu: ${Math.max(limit, 1280)} in the KubeSpanConfig, on all nodes`,
        ),
      )
  }
  const overlays = links.value.filter(
    ({ kind, name }) => OVERLAYS.has(kind ?? '') && name !== placement.linkName,
  )
  for (const { name, mtuBytes: inner, kind } of overlays)
    if (inner > mtuBytes - OVERLAY_OVERHEAD_BYTES)
      findings.push(
        warning(
          'mtu',
          `${name} (${kind}) has an MTU of ${inner}: its packets do not fit through a tunnel of ${mtuBytes}`,
          `set the MTU of the pod network to ${mtuBytes - OVERLAY_OVERHEAD_BYTES} or less`,
        ),
      )
  return findings.length > 0 ? findings : [ok('mtu', `${mtuBytes} bytes fit`)]
}

/** Networks behind bridges of this host, as of containers and guests, that the mesh is not told of. */
export function checkForwardedSources({ sysctls, links, settings }: Facts): Finding[] {
  if (!('value' in links) || !forwardsPackets(sysctls)) return []
  const { podCidrs, clusterPodCidrs } = settings.node
  return links.value
    .filter(({ kind }) => kind === 'bridge')
    .flatMap(({ name, addresses }) =>
      addresses
        .filter(({ address }) => !isLinkLocal(address))
        .filter(
          ({ address }) => ![...podCidrs, ...clusterPodCidrs].some((known) => prefixContains(known, address)),
        )
        .map(({ address, bits }) => maskPrefix(prefixOf(address, bits)))
        .map((network) =>
          info(
            'forwarding',
            `what ${network} behind ${name} sends to other nodes leaves as without a mesh, outside the tunnel`,
            `podCIDRs: ["${network}"] in a NodeConfig sends it through the tunnel; it must be masqueraded wherever it leaves, as Docker does`,
          ),
        ),
    )
}
