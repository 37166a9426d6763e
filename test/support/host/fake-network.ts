import {
  type Address,
  type Family,
  familyOf,
  type Prefix,
  parseAddress,
  prefixContains,
  prefixOf,
} from '../../../shared/net/address.ts'
import { refuse } from './refusal.ts'

interface FakeLink {
  kind: string | undefined
  type: 'ether' | 'none' | 'loopback'
  isUp: boolean
  mtuBytes: number
  addresses: { address: Address; bits: number; scope: string }[]
}

interface FakeRule {
  priority: number
  selector: Record<string, string>
  table: number
}

interface FakeRoute {
  family: Family
  table: number
  destination: string
  isUnreachable: boolean
  dev: string | undefined
  metric: number
  mtuBytes: number | undefined
  protocol: string | undefined
  source: string | undefined
}

/** Of the rule that leads to the main table. */
const MAIN_PRIORITY = 32766
const UNKNOWN_DEVICE = (name: string): string => `Cannot find device "${name}"`

/** Links, addresses, rules and routes of a host in memory, spoken to in the words of `ip`. */
export class FakeNetwork {
  readonly links = new Map<string, FakeLink>()
  readonly rules: Record<Family, FakeRule[]> = { 4: [], 6: [] }
  routes: FakeRoute[] = []
  readonly settings = new Map([
    ['ipv4/conf/all/rp_filter', '0'],
    ['ipv4/conf/default/rp_filter', '0'],
    ['ipv6/conf/all/disable_ipv6', '0'],
    ['ipv6/conf/default/disable_ipv6', '0'],
  ])
  hasKernelWireGuard = false
  /** The main table has no default route. */
  hasNoWayOut = false
  /** Told of links that come and go with their WireGuard. */
  onLinkGone: (name: string) => void = () => undefined

  constructor() {
    this.addLink('lo', undefined, 'loopback')
    this.addLink('eth0', undefined, 'ether')
    for (const name of ['lo', 'eth0']) this.#link(name).isUp = true
  }

  addLink(name: string, kind: string | undefined, type: FakeLink['type'] = 'none'): void {
    this.links.set(name, { kind, type, isUp: false, mtuBytes: 1420, addresses: [] })
    for (const setting of ['ipv4/conf/*/rp_filter', 'ipv6/conf/*/disable_ipv6']) {
      const value = this.settings.get(setting.replace('*', 'default'))
      if (value !== undefined) this.settings.set(setting.replace('*', name), value)
    }
  }

  ip(args: readonly string[], input = ''): string {
    if (args.includes('-batch')) {
      const options = args.filter((word) => !['-batch', '-'].includes(word))
      const lines = input.split('\n').filter((line) => line !== '')
      return lines.map((line) => `${this.ip([...options, ...line.split(' ')])}\n`).join('')
    }
    const words = args.filter((word) => !['-json', '-N', '-details', '-4', '-6'].includes(word))
    const family: Family = args.includes('-6') ? 6 : 4
    const [object = '', verb = '', ...rest] = words
    switch (`${object} ${verb}`) {
      case 'link add':
        return this.#addLink(args, after(rest, 'dev'), after(rest, 'type'))
      case 'link del':
        return this.#deleteLink(args, after(rest, 'dev'))
      case 'link set':
        return this.#setLink(args, after(rest, 'dev'), rest.slice(2))
      case 'address show':
        return this.#showAddresses(args, rest.includes('dev') ? after(rest, 'dev') : undefined)
      case 'address add':
      case 'address del':
        return this.#changeAddress(args, verb, rest)
      case 'rule show':
        return JSON.stringify(this.#showRules(family))
      case 'rule add':
      case 'rule delete':
        return this.#changeRule(args, family, verb, rest)
      case 'route show':
        return rest[0] === 'default'
          ? JSON.stringify(this.hasNoWayOut ? [] : [{ dst: 'default', gateway: 'fe80::1', dev: 'eth0' }])
          : this.#showRoutes(args, family, Number(after(rest, 'table')))
      case 'route get':
        return this.#getRoute(args, rest[0] ?? '', Number(rest.includes('mark') ? after(rest, 'mark') : 0))
      case 'route add':
      case 'route replace':
      case 'route del':
        return this.#changeRoute(args, family, verb, rest)
      default:
        throw new Error(`the fake host does not know: ip ${args.join(' ')}`)
    }
  }

  /** Where a packet with this mark to this address goes: out of a link, nowhere, or where the main table leads. */
  route(address: Address, mark: number): { readonly dev: string } | 'dropped' | 'main' {
    const family = familyOf(address)
    for (const rule of this.rules[family].toSorted((a, b) => a.priority - b.priority)) {
      const [value = 0, mask = 0xffffffff] = (rule.selector.fwmark ?? '').split('/').map(Number)
      if ((mark & mask) !== value) continue
      const isLastResort = rule.priority > MAIN_PRIORITY
      if (isLastResort && !(this.hasNoWayOut && prefixContains(rule.selector.to as Prefix, address))) continue
      const [route] = this.routes
        .filter((candidate) => candidate.family === family && candidate.table === rule.table)
        .filter(
          ({ destination }) => destination === 'default' || prefixContains(destination as Prefix, address),
        )
        .sort((a, b) => a.metric - b.metric)
      if (route !== undefined) return route.isUnreachable ? 'dropped' : { dev: route.dev ?? '' }
    }
    const connected = [...this.links].find(([, { isUp, addresses }]) =>
      addresses.some((own) => isUp && prefixContains(prefixOf(own.address, own.bits), address)),
    )
    return connected === undefined ? 'main' : { dev: connected[0] }
  }

  #link(name: string, args: readonly string[] = []): FakeLink {
    return this.links.get(name) ?? refuse('ip', args, UNKNOWN_DEVICE(name), 1)
  }

  #addLink(args: readonly string[], name: string, type: string): string {
    if (this.links.has(name)) return refuse('ip', args, 'RTNETLINK answers: File exists')
    if (type === 'wireguard' && !this.hasKernelWireGuard)
      return refuse('ip', args, 'Error: Unknown device type.')
    this.addLink(name, type, type === 'wireguard' ? 'none' : 'ether')
    return ''
  }

  #deleteLink(args: readonly string[], name: string): string {
    this.#link(name, args)
    this.links.delete(name)
    this.routes = this.routes.filter(({ dev }) => dev !== name)
    for (const path of [...this.settings.keys()])
      if (path.includes(`/conf/${name}/`)) this.settings.delete(path)
    this.onLinkGone(name)
    return ''
  }

  #setLink(args: readonly string[], name: string, [what, value]: readonly string[]): string {
    const link = this.#link(name, args)
    if (what === 'mtu') link.mtuBytes = Number(value)
    else link.isUp = what === 'up'
    if (what === 'down') {
      this.routes = this.routes.filter(({ dev }) => dev !== name)
      link.addresses = link.addresses.filter(({ address }) => familyOf(address) === 4)
    }
    return ''
  }

  #showAddresses(args: readonly string[], only: string | undefined): string {
    if (only !== undefined && !this.links.has(only))
      return refuse('ip', args, `Device "${only}" does not exist.`, 1)
    const rows = [...this.links].map(([name, link]) => ({
      ifname: name,
      flags: link.isUp ? ['UP', 'LOWER_UP'] : [],
      mtu: link.mtuBytes,
      operstate: link.isUp ? 'UNKNOWN' : 'DOWN',
      link_type: link.type,
      ...(link.kind === undefined ? {} : { linkinfo: { info_kind: link.kind } }),
      addr_info: link.addresses
        .filter(({ scope }) => !args.includes('scope') || args.includes(scope))
        .filter(({ address }) => !args.includes('-4') || familyOf(address) === 4)
        .map(({ address, bits, scope }) => ({ local: address, prefixlen: bits, scope })),
    }))
    return JSON.stringify(rows.filter(({ ifname }) => only === undefined || ifname === only))
  }

  #changeAddress(args: readonly string[], verb: string, [text = '', , name = '', ...rest]: string[]): string {
    const link = this.#link(name, args)
    const [host = '', length] = text.split('/')
    const address = parseAddress(host) ?? refuse('ip', args, `Error: any valid prefix is expected`, 1)
    const bits = Number(length)
    const found = link.addresses.find((other) => other.address === address)
    if (verb === 'add') {
      if (found !== undefined) return refuse('ip', args, 'Error: ipv6: address already assigned.')
      if (familyOf(address) === 6 && this.settings.get(`ipv6/conf/${name}/disable_ipv6`) !== '0')
        return refuse('ip', args, 'Error: ipv6: IPv6 is disabled on this device.')
      link.addresses.push({ address, bits, scope: rest.includes('link') ? 'link' : 'global' })
      return ''
    }
    if (found?.bits !== bits) return refuse('ip', args, 'Error: ipv6: address not found.')
    link.addresses = link.addresses.filter((other) => other !== found)
    if (familyOf(address) === 4 && !link.addresses.some((other) => familyOf(other.address) === 4))
      this.routes = this.routes.filter(({ dev, family }) => dev !== name || family !== 4)
    return ''
  }

  #showRules(family: Family): object[] {
    return this.rules[family].map(({ priority, selector, table }) => {
      const { fwmark = '', to, ...others } = selector
      const [dst, length] = (to ?? '').split('/')
      const isHost = length === (family === 4 ? '32' : '128')
      const goal = to === undefined ? {} : { dst, ...(isHost ? {} : { dstlen: Number(length) }) }
      const [mark, mask] = fwmark.split('/')
      const marks = fwmark === '' ? {} : { fwmark: mark, ...(mask === undefined ? {} : { fwmask: mask }) }
      return { priority, src: 'all', ...goal, ...marks, ...others, table: String(table) }
    })
  }

  #changeRule(args: readonly string[], family: Family, verb: string, words: readonly string[]): string {
    const { priority = '', table = '', ...selector } = pairs(words)
    const rule = { priority: Number(priority), table: Number(table), selector }
    const index = this.rules[family].findIndex(
      (other) => JSON.stringify(sorted(other)) === JSON.stringify(sorted(rule)),
    )
    if (verb === 'add') {
      if (index >= 0) return refuse('ip', args, 'RTNETLINK answers: File exists')
      this.rules[family].push(rule)
      return ''
    }
    if (index < 0) return refuse('ip', args, 'RTNETLINK answers: No such file or directory')
    this.rules[family].splice(index, 1)
    return ''
  }

  #showRoutes(args: readonly string[], family: Family, table: number): string {
    const rows = this.routes
      .filter((route) => route.family === family && route.table === table)
      .map(({ destination, isUnreachable, dev, metric, mtuBytes, protocol, source }) => ({
        ...(isUnreachable ? { type: '7' } : {}),
        dst: destination,
        ...(dev === undefined ? {} : { dev }),
        ...(protocol === 'static' ? { protocol: '4' } : {}),
        ...(source === undefined ? {} : { prefsrc: source }),
        metric,
        flags: [],
        ...(mtuBytes === undefined ? {} : { metrics: [{ mtu: mtuBytes }] }),
      }))
    if (rows.length === 0) return refuse('ip', args, `Error: ipv${family}: FIB table does not exist.`)
    return JSON.stringify(rows)
  }

  /** The main table leads out of eth0. */
  #getRoute(args: readonly string[], text: string, mark: number): string {
    const address = parseAddress(text) ?? refuse('ip', args, 'Error: any valid prefix is expected', 1)
    const isOwn = [...this.links.values()].some((link) =>
      link.addresses.some((own) => own.address === address),
    )
    if (isOwn) return JSON.stringify([{ type: '2', dst: address, dev: 'lo', table: '255' }])
    const out = this.route(address, mark)
    if (out === 'dropped') return refuse('ip', args, 'RTNETLINK answers: No route to host')
    if (out === 'main' && this.hasNoWayOut)
      return refuse('ip', args, 'RTNETLINK answers: Network is unreachable')
    if (out === 'main') return JSON.stringify([{ dst: address, gateway: '192.0.2.1', dev: 'eth0' }])
    return JSON.stringify([{ dst: address, dev: out.dev, ...(mark === 0 ? {} : { table: '180' }) }])
  }

  #changeRoute(args: readonly string[], family: Family, verb: string, words: readonly string[]): string {
    const isUnreachable = words[0] === 'unreachable'
    const [destination = '', ...rest] = isUnreachable ? words.slice(1) : words
    const { dev, table = '254', metric = '0', mtu, proto, src } = pairs(rest)
    const link = dev === undefined ? undefined : this.#link(dev, args)
    const route: FakeRoute = {
      family,
      table: Number(table),
      destination,
      isUnreachable,
      dev,
      metric: Number(metric),
      mtuBytes: mtu === undefined ? undefined : Number(mtu),
      protocol: proto,
      source: src,
    }
    const same = (other: FakeRoute): boolean =>
      other.family === family &&
      other.table === route.table &&
      other.destination === destination &&
      other.metric === route.metric
    const exists = this.routes.some(same)
    if (verb === 'del') {
      if (!exists) return refuse('ip', args, 'RTNETLINK answers: No such process')
      this.routes = this.routes.filter((other) => !same(other))
      return ''
    }
    if (link?.isUp === false) return refuse('ip', args, 'Error: Device for nexthop is not up.')
    if (family === 6 && dev !== undefined && this.settings.get(`ipv6/conf/${dev}/disable_ipv6`) === '1')
      return refuse('ip', args, 'Error: IPv6 is disabled on nexthop device.')
    if (verb === 'add' && exists) return refuse('ip', args, 'RTNETLINK answers: File exists')
    this.routes = [...this.routes.filter((other) => !same(other)), route]
    return ''
  }
}

const after = (words: readonly string[], word: string): string => words[words.indexOf(word) + 1] ?? ''

/** `a 1 b 2` → { a: '1', b: '2' }. */
const pairs = (words: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? '']] : [])),
  )

const sorted = ({ priority, table, selector }: FakeRule): unknown => [
  priority,
  table,
  Object.entries(selector).sort(([a], [b]) => a.localeCompare(b)),
]
