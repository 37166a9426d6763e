import { ULA_PURPOSE, ulaPrefix } from '../../../shared/identity/ula.ts'
import { prefixContains } from '../../../shared/net/address.ts'
import { isOurs } from '../../diff/detours.ts'
import { LAST_RESORT_PRIORITY } from '../../model/constants.ts'
import { error, type Finding, info, ok, warning } from '../../model/finding.ts'
import { hex } from '../../model/mark-words.ts'
import { type AnyRule, describeRule } from '../../model/policy-rule.ts'
import { describeLocalClaim } from '../../model/surroundings.ts'
import type { Facts } from '../facts.ts'
import { checkDetours } from './detours.ts'

/** Numbers, names and addresses of ours that somebody else on this host uses as well. */
const overlaps = (a: number, b: number): boolean => (a & b) !== 0

const isLastResort = ({ action, fwmark, priority }: AnyRule, { placement }: Facts['settings']): boolean =>
  action.kind === 'lookup' &&
  action.table === placement.routingTable &&
  priority === LAST_RESORT_PRIORITY &&
  fwmark?.value === 0 &&
  fwmark.mask === placement.fwmarkMask

const EVERY_BIT = 0xffffffff

export function checkRules(facts: Facts): Finding[] {
  const { rules, settings } = facts
  if (!('value' in rules)) return [info('rules', rules.problem)]
  const { fwmarkMask, routingTable } = settings.placement
  const findings: Finding[] = []
  for (const rule of rules.value) {
    if (isOurs(rule, settings.placement) || isLastResort(rule, settings)) continue
    const text = describeRule(rule)
    if (rule.fwmark !== undefined && rule.fwmark.mask !== EVERY_BIT) {
      if (overlaps(rule.fwmark.mask, fwmarkMask))
        findings.push(
          error(
            'marks',
            `rule "${text}" looks at bits of the packet mark that are ours (${hex(fwmarkMask)})`,
            'placement: {fwmarkMask: …, wireguardFwmark: …, routeFwmark: …} in a NodeConfig, with two other bits',
          ),
        )
      else if (overlaps(rule.fwmark.mask, settings.bypass.conntrackMark))
        findings.push(
          warning(
            'marks',
            `rule "${text}" looks at the bit ${hex(settings.bypass.conntrackMark)} that we put on connections`,
            'bypass: {conntrackMark: …} in a NodeConfig, with another bit',
          ),
        )
    }
    if (rule.action.kind === 'lookup' && rule.action.table === routingTable)
      findings.push(
        error(
          'table',
          `rule "${text}" leads into our table ${routingTable}`,
          'placement: {routingTable: …} in a NodeConfig',
        ),
      )
  }
  findings.push(...checkDetours(facts))
  return findings.length > 0 ? findings : [ok('rules', 'no rule of others is in the way')]
}

export function checkTable({ foreignRoutes, settings }: Facts): Finding[] {
  if (!('value' in foreignRoutes)) return []
  return foreignRoutes.value.map((route) =>
    warning(
      'table',
      `somebody else's route is in our table ${settings.placement.routingTable}: ${route}`,
      'placement: {routingTable: …} in a NodeConfig',
    ),
  )
}

/** Who has the port is known of WireGuard links; of others only that somebody has it. */
export function checkPort({ udpPorts, wireguard, daemon, settings }: Facts): Finding[] {
  const { listenPort, linkName } = settings.placement
  const devices = 'value' in wireguard ? [...wireguard.value] : []
  const other = devices.find(([name, device]) => name !== linkName && device.listenPort === listenPort)
  const mend = 'placement: {listenPort: …} in a NodeConfig'
  if (other !== undefined)
    return [error('port', `the WireGuard link ${other[0]} listens on UDP ${listenPort}`, mend)]
  if (!udpPorts.has(listenPort)) return [ok('port', `UDP ${listenPort} is free`)]
  const isOwn = devices.some(([name, device]) => name === linkName && device.listenPort === listenPort)
  if (isOwn) return [ok('port', `UDP ${listenPort} is ours`)]
  const isRunning = 'value' in daemon && daemon.value !== undefined
  return isRunning || 'problem' in wireguard
    ? [info('port', `UDP ${listenPort} is in use; whether by us only root can tell`, 'sudo kubespan doctor')]
    : [error('port', `another program listens on UDP ${listenPort} (ss -ulnp sport = :${listenPort})`, mend)]
}

export function checkOtherWireGuard({ wireguard, settings }: Facts): Finding[] {
  if (!('value' in wireguard)) return []
  const { linkName, fwmarkMask, wireguardFwmark, routeFwmark } = settings.placement
  const findings: Finding[] = []
  for (const [name, { fwmark, listenPort }] of wireguard.value) {
    if (name === linkName) continue
    const ours = (fwmark & fwmarkMask) >>> 0
    if (fwmark !== 0 && ours === routeFwmark)
      findings.push(
        error(
          'marks',
          `WireGuard link ${name} marks its packets ${hex(fwmark)}, which sends them into the mesh`,
          `wg set ${name} fwmark ${hex((fwmark & ~fwmarkMask) >>> 0)}`,
        ),
      )
    else if (ours === wireguardFwmark)
      findings.push(
        info('marks', `WireGuard link ${name} marks its packets ${hex(fwmark)}: they never enter the mesh`),
      )
    else findings.push(info('wireguard links', `${name} is another WireGuard link, on UDP ${listenPort}`))
  }
  return findings
}

/** The mesh's /64 follows from the cluster id; who else has it is in the same cluster by another way. */
export function checkMeshPrefix({ links, settings }: Facts): Finding[] {
  if (settings.cluster === undefined || !('value' in links)) return []
  const prefix = ulaPrefix(settings.cluster.id, ULA_PURPOSE.kubespan)
  const others = links.value.filter(
    ({ name, addresses }) =>
      name !== settings.placement.linkName &&
      addresses.some(({ address }) => prefixContains(prefix, address)),
  )
  return others.length === 0
    ? [ok('mesh network', `${prefix} is on no other link`)]
    : others.map(({ name }) =>
        error(
          'mesh network',
          `link ${name} has an address of our mesh network ${prefix}`,
          `ip address flush dev ${name} to ${prefix}`,
        ),
      )
}

/** What the daemon keeps from peers that claim it, because it is local to this host. */
export function checkLocal({ daemon }: Facts): Finding[] {
  if (!('value' in daemon) || daemon.value?.local === undefined) return []
  const findings = daemon.value.local.map((claim) =>
    warning(
      'local',
      describeLocalClaim(claim),
      `filters: {excludeAdvertisedNetworks: ["${claim.prefix}"]} in the KubeSpanConfig of ${claim.claimed.flatMap(({ labels }) => labels).join(', ')}`,
    ),
  )
  return findings.length > 0 ? findings : [ok('local', 'no peer claims what is local to this host')]
}
