import type { Family } from '../../shared/net/address.ts'
import { isRecord, type Json, listOf, type Ruleset, type RulesetRule } from '../model/nft-ruleset.ts'

/** The first packet of a connection, as far as it is known. */
export interface TestPacket {
  readonly family: Family
  /** Where it came in and where it is to go out; undefined when it may be any link, or none. */
  readonly iif: string | undefined
  readonly oif?: string
  /** UDP to this port; undefined for any protocol. */
  readonly udpPort: number | undefined
}

/**
 * Whether a packet matches: `some` when that depends on who sends it, or on what else is not known of it, `unknown` when we do
 * not understand the condition.
 */
export type Truth = 'yes' | 'no' | 'some' | 'unknown'

export const all = (...truths: readonly Truth[]): Truth =>
  (['no', 'unknown', 'some'] as const).find((truth) => truths.includes(truth)) ?? 'yes'
const any = (truths: readonly Truth[]): Truth =>
  (['yes', 'unknown', 'some'] as const).find((truth) => truths.includes(truth)) ?? 'no'

/** Where named sets are looked up. */
export interface Place {
  readonly sets: Ruleset['sets']
  /** `family table`. */
  readonly table: string
}

/** What a field of the packet is: all its spellings; nothing that the packet has; or one of the truths that are none. */
type Field = readonly (string | number | boolean)[] | 'absent' | 'some' | 'unknown'

const PROTOCOLS_OF: Readonly<Record<Family, { readonly name: string; readonly other: string }>> = {
  4: { name: 'ip', other: 'ip6' },
  6: { name: 'ip6', other: 'ip' },
}

function fieldOf(expression: Json, packet: TestPacket): Field {
  if (!isRecord(expression)) return 'unknown'
  const [[kind, of] = []] = Object.entries(expression)
  if (kind === '&') {
    const [left, mask] = listOf(of)
    const field = left === undefined ? 'unknown' : fieldOf(left, packet)
    if (typeof field === 'string') return field
    const [value] = field
    return typeof value === 'number' && typeof mask === 'number' ? [(value & mask) >>> 0] : 'some'
  }
  if (!isRecord(of)) return 'unknown'
  if (kind === 'meta') return metaOf(of.key, packet)
  if (kind === 'payload') return payloadOf(of, packet)
  if (kind === 'ct') return connectionOf(of.key)
  if (kind === 'fib') return of.result === 'type' ? routeTypeOf(of) : [true]
  return 'unknown'
}

const UDP = ['udp', 17] as const

function metaOf(key: Json | undefined, { family, iif, oif, udpPort }: TestPacket): Field {
  switch (key) {
    case 'l4proto':
      return udpPort === undefined ? 'some' : UDP
    case 'nfproto':
      return family === 4 ? ['ipv4', 2] : ['ipv6', 10]
    case 'protocol':
      return family === 4 ? ['ip', 0x0800] : ['ip6', 0x86dd]
    case 'iif':
    case 'iifname':
      return iif === undefined ? 'some' : [iif]
    case 'oif':
    case 'oifname':
      return oif === undefined ? 'some' : [oif]
    case 'pkttype':
      return ['host', 'unicast', 0]
    case 'mark':
      return [0]
    default:
      return 'some'
  }
}

function payloadOf(of: { readonly [name: string]: Json }, { family, udpPort }: TestPacket): Field {
  const { protocol, field, base, offset, len } = of
  const port: Field = udpPort === undefined ? 'some' : [udpPort]
  if (base !== undefined) return base === 'th' && offset === 16 && len === 16 ? port : 'some'
  const { name, other } = PROTOCOLS_OF[family]
  if (protocol === other || protocol === (family === 4 ? 'icmpv6' : 'icmp')) return 'absent'
  if (protocol === name)
    return udpPort !== undefined && (field === 'protocol' || field === 'nexthdr') ? UDP : 'some'
  if (protocol === 'udp' || protocol === 'th') return field === 'dport' ? port : 'some'
  if (protocol === 'ether' || protocol === 'vlan') return 'some'
  return udpPort === undefined ? 'some' : 'absent'
}

function connectionOf(key: Json | undefined): Field {
  switch (key) {
    case 'state':
      return ['new', 8]
    case 'direction':
      return ['original', 0]
    case 'status':
    case 'mark':
      return [0]
    default:
      return 'some'
  }
}

const routeTypeOf = ({ flags }: { readonly [name: string]: Json }): Field =>
  listOf(flags).includes('daddr') ? ['local'] : ['unicast']

/** Whether a value is, or is in, what stands on the right of a condition. */
function isIn(field: Field, right: Json | undefined, place: Place): Truth {
  if (field === 'absent') return 'no'
  if (typeof right === 'string' && right.startsWith('@')) {
    const elements = place.sets.get(`${place.table} ${right.slice(1)}`)
    return elements === undefined ? 'unknown' : any(elements.map((one) => isIn(field, one, place)))
  }
  if (Array.isArray(right)) return any(right.map((one) => isIn(field, one, place)))
  if (isRecord(right)) {
    if ('set' in right) return any(listOf(right.set).map((one) => isIn(field, one, place)))
    if ('elem' in right) return isIn(field, isRecord(right.elem) ? right.elem.val : right.elem, place)
    if ('range' in right) {
      const [low, high] = listOf(right.range)
      return all(ordered(field, '>=', low), ordered(field, '<=', high))
    }
    return typeof field === 'string' ? field : 'unknown'
  }
  if (typeof field === 'string') return field
  if (typeof right === 'string' && right.endsWith('*'))
    return field.some((one) => String(one).startsWith(right.slice(0, -1))) ? 'yes' : 'no'
  return field.some((one) => one === right) ? 'yes' : 'no'
}

function ordered(field: Field, op: string, right: Json | undefined): Truth {
  if (field === 'absent') return 'no'
  if (typeof field === 'string') return field
  const value = field.find((one) => typeof one === 'number')
  if (typeof value !== 'number' || typeof right !== 'number') return 'unknown'
  const isTrue = { '<': value < right, '>': value > right, '<=': value <= right, '>=': value >= right }[op]
  return isTrue === undefined ? 'unknown' : isTrue ? 'yes' : 'no'
}

/** Whether the packet has this key: an element of a set or a map, of one field or of several. */
export function isKey(left: Json, right: Json | undefined, packet: TestPacket, place: Place): Truth {
  if (!isRecord(left) || !('concat' in left)) return isIn(fieldOf(left, packet), right, place)
  if (typeof right === 'string' && right.startsWith('@'))
    return any(
      (place.sets.get(`${place.table} ${right.slice(1)}`) ?? []).map((one) =>
        isKey(left, one, packet, place),
      ),
    )
  if (isRecord(right) && 'set' in right)
    return any(listOf(right.set).map((one) => isKey(left, one, packet, place)))
  if (isRecord(right) && 'elem' in right)
    return isKey(left, isRecord(right.elem) ? right.elem.val : right.elem, packet, place)
  if (!isRecord(right) || !('concat' in right)) return 'unknown'
  const parts = listOf(right.concat)
  return all(...listOf(left.concat).map((part, index) => isKey(part, parts[index], packet, place)))
}

/** A `match` statement. */
export function matches(of: { readonly [name: string]: Json }, packet: TestPacket, place: Place): Truth {
  const { op = '==', left = null, right } = of
  if (op === '<' || op === '>' || op === '<=' || op === '>=') return ordered(fieldOf(left, packet), op, right)
  if (op !== '!=') return isKey(left, right, packet, place)
  if (!isRecord(left) || !('concat' in left)) if (fieldOf(left, packet) === 'absent') return 'no'
  const truth = isKey(left, right, packet, place)
  // To be none of some is no property of a few: who is dropped by it may be everybody.
  return { yes: 'no', no: 'yes', some: 'unknown', unknown: 'unknown' }[truth] as Truth
}

/** Extensions of iptables that say nothing of the packet, and those that say who sent it. */
const XT_IDLE = new Set(['comment', 'limit', 'hashlimit'])
const XT_SENDER = new Set([
  'recent',
  'set',
  'mac',
  'iprange',
  'geoip',
  'string',
  'time',
  'owner',
  'u32',
  'bpf',
])

/** A condition that iptables-nft has written as an extension of iptables: its words tell, where nft could say it in any. */
export function matchesExtension(name: Json | undefined, rule: RulesetRule, packet: TestPacket): Truth {
  if (typeof name !== 'string') return 'unknown'
  if (XT_IDLE.has(name)) return 'yes'
  if (XT_SENDER.has(name)) return 'some'
  const { text = '' } = rule
  const [, state] = /\bct state (\S+)/.exec(text) ?? []
  if ((name === 'conntrack' || name === 'state') && state !== undefined)
    return state.split(',').includes('new') ? 'yes' : 'no'
  const [, protocol, list, port] = /\b(tcp|udp) dport (?:\{ ([^}]*) \}|(\d+))/.exec(text) ?? []
  if ((name === 'multiport' || name === 'udp' || name === 'tcp') && protocol !== undefined) {
    if (packet.udpPort === undefined) return 'some'
    if (protocol === 'tcp') return 'no'
    const ports = (list ?? port ?? '').split(',').map((part) => part.trim().split('-').map(Number))
    const isAmong = ports.some(
      ([low = 0, high = low]) =>
        packet.udpPort !== undefined && low <= packet.udpPort && packet.udpPort <= high,
    )
    return isAmong ? 'yes' : 'no'
  }
  const [, type] = /\bfib daddr type (\w+)/.exec(text) ?? []
  if (name === 'addrtype' && type !== undefined) return type === 'local' ? 'yes' : 'no'
  return 'unknown'
}
