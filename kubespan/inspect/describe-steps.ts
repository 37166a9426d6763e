import { familyOf, type Prefix } from '../../shared/net/address.ts'
import type { Placement } from '../model/desired.ts'
import type { OwnerView, Step } from '../model/explanation.ts'
import type { Fate, FateGround, RouteAnswer } from '../model/fate.ts'
import { hex } from '../model/mark-words.ts'

export const nameOf = ({ label, publicKey }: OwnerView): string => (label === '' ? publicKey : label)

/** What the kernel was asked about an address, in order, and what it said. */
export function describeSteps(
  fate: Fate,
  owner: OwnerView | undefined,
  { placement, ground }: { readonly placement: Placement; readonly ground: FateGround },
): Step[] {
  const { nftTable, rulePriority, fwmarkMask, routeFwmark, routingTable, linkName } = placement
  const mark = `${hex(routeFwmark)}/${hex(fwmarkMask)}`
  const rules = ground.rules.filter(({ priority }) => priority === rulePriority)
  return [
    {
      asked: `nft set of inet ${nftTable}`,
      says: !ground.hasTable
        ? 'the table is not there'
        : fate.routedBy === undefined
          ? 'no element holds it: packets keep their mark'
          : `${fate.routedBy} holds it: packets get mark ${mark}`,
    },
    ...describeForwarding(fate, ground),
    ...(fate.isLocal ? [{ asked: 'nft local set', says: 'holds it: it is left out of what is routed' }] : []),
    ...(fate.bypassPorts.length === 0
      ? []
      : [
          {
            asked: 'nft bypass set',
            says: `TCP to ${fate.bypassPorts.join(', ')} leaves outside the tunnel, because the mesh comes up through it`,
          },
        ]),
    {
      asked: `ip rule ${rulePriority}`,
      says:
        rules.length === 0
          ? 'is not there'
          : `mark ${mark} looks into table ${routingTable}${ground.earlierRules.length === 0 ? '' : `, after ${ground.earlierRules.length} rules of others`}`,
    },
    { asked: 'ip route get', says: describeRoute(fate.unmarked) },
    {
      asked: `ip route get …${fromOf(fate)} mark ${hex(routeFwmark)}`,
      says: describeRoute(fate.marked),
    },
    {
      asked: `wg show ${linkName} allowed-ips`,
      says: !ground.hasDevice
        ? 'WireGuard does not answer there'
        : fate.owner === undefined
          ? 'no peer owns it'
          : `${fate.owner.prefix} of ${owner === undefined ? fate.owner.publicKey : nameOf(owner)}`,
    },
  ]
}

const SOURCES_MAX = 8

/** The verdict is about what this host sends itself. */
function describeForwarding({ address, routedBy }: Fate, { forwardedFrom }: FateGround): Step[] {
  const sources = forwardedFrom?.filter((source) => familyOf(source as Prefix) === familyOf(address)) ?? []
  if (routedBy === undefined || forwardedFrom === undefined) return []
  const more = sources.length - SOURCES_MAX
  const list = `${sources.slice(0, SOURCES_MAX).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return [
    {
      asked: `nft set own_v${familyOf(address)}`,
      says: `of what this host forwards only packets from ${list || 'nobody'} get it, and those of connections that it redirects; all others leave as without a mesh`,
    },
  ]
}

const fromOf = ({ unmarked }: Fate): string =>
  'refusal' in unmarked || unmarked.isLocal || unmarked.source === undefined ? '' : ` from ${unmarked.source}`

function describeRoute(answer: RouteAnswer): string {
  if ('refusal' in answer) return answer.refusal
  const { dev, gateway, source, table, isLocal } = answer
  return [
    isLocal ? 'local' : undefined,
    gateway === undefined ? undefined : `via ${gateway}`,
    `dev ${dev}`,
    source === undefined ? undefined : `src ${source}`,
    `table ${table}`,
  ]
    .filter((word) => word !== undefined)
    .join(' ')
}
