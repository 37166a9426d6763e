import { publicKeyOf } from '../../../kubespan/sources/identity-file.ts'
import {
  type Address,
  maskPrefix,
  type Prefix,
  parseAddressPort,
  parsePrefix,
  prefixContains,
} from '../../../shared/net/address.ts'
import { refuse } from './refusal.ts'

interface FakePeer {
  presharedKey: string | undefined
  endpoint: string | undefined
  allowedIps: Set<string>
  keepaliveSeconds: number
  handshakeSeconds: number
  receiveBytes: number
  transmitBytes: number
}

interface FakeDevice {
  privateKey: string | undefined
  listenPort: number
  fwmark: number
  readonly peers: Map<string, FakePeer>
}

const ZERO_KEY = `${'A'.repeat(43)}=`
const KEY = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** The WireGuard devices of a host in memory, spoken to in the words of `wg`. */
export class FakeWireGuard {
  readonly devices = new Map<string, FakeDevice>()

  addDevice(name: string): void {
    this.devices.set(name, { privateKey: undefined, listenPort: 60_169, fwmark: 0, peers: new Map() })
  }

  wg(args: readonly string[], input: string | undefined): string {
    const [verb, name = ''] = args
    const device =
      this.devices.get(name) ?? refuse('wg', args, 'Unable to access interface: Protocol not supported', 1)
    if (verb === 'show') return args[2] === 'dump' ? dump(device) : `${device.listenPort}\n`
    if (verb === 'set') return this.#set(args, device, input)
    if (verb === 'addconf') return this.#add(args, device, input ?? '')
    throw new Error(`the fake host does not know: wg ${args.join(' ')}`)
  }

  /** Whether the device has somebody to send a packet for this address to. */
  hasOwner(name: string, address: Address): boolean {
    const peers = [...(this.devices.get(name)?.peers.values() ?? [])]
    return peers.some(({ allowedIps }) => [...allowedIps].some((ip) => prefixContains(ip as Prefix, address)))
  }

  #set(args: readonly string[], device: FakeDevice, input: string | undefined): string {
    const words = args.slice(2)
    while (words.length > 0) {
      const [word, value = ''] = words.splice(0, 2)
      if (word === 'listen-port') device.listenPort = Number(value)
      else if (word === 'fwmark') device.fwmark = value === 'off' ? 0 : Number(value)
      else if (word === 'private-key') {
        if (value !== '/dev/stdin' || !KEY.test((input ?? '').trim()))
          return refuse('wg', args, 'Invalid length key in key file', 1)
        device.privateKey = input?.trim()
      } else if (word === 'peer' && words[0] === 'remove') {
        words.shift()
        device.peers.delete(value)
      } else throw new Error(`the fake host does not know: wg ${args.join(' ')}`)
    }
    return ''
  }

  /** Reads all before it changes anything, as `wg` does. */
  #add(args: readonly string[], device: FakeDevice, config: string): string {
    const sections = config.split('[Peer]\n').slice(1)
    const peers = sections.map((section) => {
      const fields = new Map(
        section
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => line.split(' = ', 2) as [string, string]),
      )
      const bad = (line: string): never => refuse('wg', args, `${line}\nConfiguration parsing error`, 1)
      const publicKey = fields.get('PublicKey') ?? ''
      const presharedKey = fields.get('PresharedKey')
      if (!KEY.test(publicKey) || (presharedKey !== undefined && !KEY.test(presharedKey)))
        return bad('Key is not the correct length or format: `…')
      const endpoint = fields.get('Endpoint')
      if (endpoint !== undefined && (parseAddressPort(endpoint) === undefined || endpoint.includes('%')))
        return bad('Name or service not known: `…')
      const allowedIps = (fields.get('AllowedIPs') ?? '').split(', ').filter((text) => text !== '')
      const prefixes = allowedIps.map((text) => parsePrefix(text) ?? bad('Unable to parse IP address: `…'))
      return { publicKey, presharedKey, endpoint, allowedIps: prefixes.map(maskPrefix), fields }
    })
    const ownKey = device.privateKey === undefined ? '' : publicKeyOf(device.privateKey)
    for (const { publicKey, presharedKey, endpoint, allowedIps, fields } of peers) {
      if (publicKey === ownKey || publicKey === ZERO_KEY) continue
      const peer = device.peers.get(publicKey) ?? newPeer()
      device.peers.set(publicKey, peer)
      if (presharedKey !== undefined) peer.presharedKey = presharedKey
      if (endpoint !== undefined) peer.endpoint = endpoint
      peer.keepaliveSeconds = Number(fields.get('PersistentKeepalive') ?? peer.keepaliveSeconds)
      for (const other of device.peers.values()) for (const ip of allowedIps) other.allowedIps.delete(ip)
      peer.allowedIps = new Set(allowedIps)
    }
    return ''
  }
}

const newPeer = (): FakePeer => ({
  presharedKey: undefined,
  endpoint: undefined,
  allowedIps: new Set(),
  keepaliveSeconds: 0,
  handshakeSeconds: 0,
  receiveBytes: 0,
  transmitBytes: 0,
})

function dump({ privateKey, listenPort, fwmark, peers }: FakeDevice): string {
  const publicKey = privateKey === undefined ? undefined : publicKeyOf(privateKey)
  const head = [
    privateKey ?? '(none)',
    publicKey ?? '(none)',
    listenPort,
    fwmark === 0 ? 'off' : `0x${fwmark.toString(16)}`,
  ]
  const rows = [...peers].map(([key, peer]) => [
    key,
    peer.presharedKey ?? '(none)',
    peer.endpoint ?? '(none)',
    [...peer.allowedIps].join(',') || '(none)',
    peer.handshakeSeconds,
    peer.receiveBytes,
    peer.transmitBytes,
    peer.keepaliveSeconds === 0 ? 'off' : peer.keepaliveSeconds,
  ])
  return [head, ...rows].map((row) => `${row.join('\t')}\n`).join('')
}
