import {
  type Address,
  type AddressPort,
  type Family,
  familyOf,
  type Prefix,
  parseAddress,
  prefixContains,
  splitPrefix,
} from '../../shared/net/address.ts'
import { observeFamilies, observeRouting } from '../apply/routing.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { Placement } from '../model/desired.ts'
import type { Fate, FateOwner, FateReport, RouteAnswer } from '../model/fate.ts'
import type { WireGuardView } from '../model/peer.ts'
import { describeRule, parseRules } from '../model/policy-rule.ts'
import { observeWireGuard } from '../sources/wireguard.ts'
import { elementsOf } from './nft-listing.ts'

/** Asks the kernel what becomes of packets to these addresses. */
export async function observeFates(
  host: Host,
  placement: Placement,
  addresses: readonly Address[],
): Promise<FateReport> {
  const families = await observeFamilies(host)
  const [routing, device, bypass, own, earlier] = await Promise.all([
    observeRouting(host, placement, families),
    observeWireGuard(host, placement.linkName),
    elementsOfSets(host, placement.nftTable, ['bypass_v4', 'bypass_v6']),
    elementsOfSets(host, placement.nftTable, ['own_v4', 'own_v6']),
    Promise.all(families.map((family) => earlierRules(host, placement, family))),
  ])
  return {
    hasTable: bypass !== undefined,
    rules: routing.rules,
    earlierRules: earlier.flat(),
    ...(own === undefined || own.length === 0 ? {} : { forwardedFrom: own }),
    hasDevice: device !== undefined,
    fates: await Promise.all(
      addresses.map(async (address): Promise<Fate> => {
        const [routedBy, localBy, unmarked] = await Promise.all([
          bypass && holdingElement(host, placement.nftTable, 'routed', address),
          bypass && holdingElement(host, placement.nftTable, 'local', address),
          askRoute(host, address),
        ])
        const marked = await askRoute(host, address, { mark: placement.routeFwmark, ...sourceOf(unmarked) })
        return {
          address,
          routedBy,
          isLocal: localBy !== undefined,
          bypassPorts: portsOf(bypass ?? [], address),
          unmarked,
          marked,
          owner: device && ownerOf(device, address, host.clock.now()),
        }
      }),
    ),
  }
}

const NO_SUCH = /No such file or directory/

/** What a tool says; undefined when it refuses for this reason. */
async function unless(reason: RegExp, call: Promise<string>): Promise<string | undefined> {
  try {
    return await call
  } catch (error) {
    if (error instanceof ToolError && reason.test(error.stderr)) return undefined
    throw error
  }
}

/** Of sets of our table, together; undefined when there is none of them. */
async function elementsOfSets(
  host: Host,
  table: string,
  sets: readonly string[],
): Promise<string[] | undefined> {
  const texts = await Promise.all(
    sets.map((set) => unless(NO_SUCH, host.run('nft', ['-nn', 'list', 'set', 'inet', table, set]))),
  )
  return texts.some((text) => text === undefined)
    ? undefined
    : texts.flatMap((text) => elementsOf(text ?? ''))
}

const portsOf = (bypass: readonly string[], address: Address): number[] =>
  bypass
    .map((element) => element.split(' . '))
    .filter(([goal]) => goal === address)
    .map(([, port]) => Number(port))

/** Of one of the two sets with this name. */
async function holdingElement(
  host: Host,
  table: string,
  name: 'routed' | 'local',
  address: Address,
): Promise<string | undefined> {
  const set = `${name}_v${familyOf(address)}`
  const text = await unless(
    NO_SUCH,
    host.run('nft', ['-nn', 'get', 'element', 'inet', table, set, `{ ${address} }`]),
  )
  return text === undefined ? undefined : elementsOf(text)[0]
}

interface RouteRow {
  readonly type?: string
  readonly dev?: string
  readonly gateway?: string
  readonly prefsrc?: string
  readonly table?: string
}

const MAIN_TABLE = 254
/** RTN_LOCAL of rtnetlink(7). */
const LOCAL = '2'

/**
 * A packet gets its source with its first route, and is marked when it has one: others' rules for that source are asked when it
 * is routed once more.
 */
const sourceOf = (unmarked: RouteAnswer): { readonly source?: Address } =>
  'refusal' in unmarked || unmarked.isLocal || unmarked.source === undefined
    ? {}
    : { source: unmarked.source }

async function askRoute(
  host: Host,
  address: Address,
  { mark, source }: { readonly mark?: number; readonly source?: Address } = {},
): Promise<RouteAnswer> {
  const from = source === undefined ? [] : ['from', source]
  const marked = mark === undefined ? [] : ['mark', `0x${mark.toString(16)}`]
  try {
    const text = await host.run('ip', [
      ...['-json', '-N', `-${familyOf(address)}`, 'route', 'get', address],
      ...from,
      ...marked,
    ])
    const [row] = JSON.parse(text) as RouteRow[]
    if (row?.dev === undefined) return { refusal: 'no route' }
    return {
      dev: row.dev,
      isLocal: row.type === LOCAL,
      gateway: row.gateway,
      source: row.prefsrc === undefined ? source : parseAddress(row.prefsrc),
      table: Number(row.table ?? MAIN_TABLE),
    }
  } catch (error) {
    if (!(error instanceof ToolError) || error.kind !== 'failed') throw error
    return { refusal: error.stderr.replace(/^RTNETLINK answers: /, '') }
  }
}

/** The rule of priority 0 only knows this host's own addresses. */
async function earlierRules(host: Host, { rulePriority }: Placement, family: Family): Promise<string[]> {
  const text = await host.run('ip', ['-json', '-N', `-${family}`, 'rule', 'show'])
  return parseRules(text, family)
    .filter(({ priority }) => priority > 0 && priority < rulePriority)
    .map(describeRule)
}

function ownerOf(device: WireGuardView, address: Address, now: number): FateOwner | undefined {
  let best: { prefix: Prefix; bits: number; publicKey: string } | undefined
  for (const { publicKey, allowedIps } of device.peers.values())
    for (const prefix of allowedIps) {
      const { bits } = splitPrefix(prefix)
      if (prefixContains(prefix, address) && (best === undefined || bits > best.bits))
        best = { prefix, bits, publicKey }
    }
  const peer = best && device.peers.get(best.publicKey)
  if (best === undefined || peer === undefined) return undefined
  const endpoint: AddressPort | undefined = peer.endpoint
  return {
    publicKey: best.publicKey,
    prefix: best.prefix,
    endpoint,
    handshakeAge: peer.lastHandshakeAt === undefined ? undefined : Math.max(0, now - peer.lastHandshakeAt),
  }
}
