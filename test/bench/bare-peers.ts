import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Affiliate } from '../../shared/affiliate/affiliate.ts'
import { encodeAffiliate, encodeEndpoint } from '../../shared/affiliate/codec.ts'
import { ClusterKey } from '../../shared/affiliate/seal.ts'
import { type Address, type AddressPort, addressPortOf, parseAddress } from '../../shared/net/address.ts'
import type { LabHost } from '../lab/box.ts'
import { untilListening } from '../lab/hand-made-mesh.ts'
import { DISCOVERY_PORT, type Lab } from '../lab/lab.ts'
import type { ClusterCredentials } from '../lab/node-config.ts'
import { run } from '../lab/process.ts'
import { affiliateOf } from '../support/affiliates.ts'
import type { Publication } from './publish.ts'

/** A node that is only WireGuard: it answers, and decides nothing. Thirty daemons would measure the machine and not the one that calls. */
export interface BarePeer {
  readonly host: LabHost
  readonly publicKey: string
  readonly address: Address
}

export interface Hub {
  readonly publicKey: string
  readonly address: string
  readonly subnet: string
}

/** Each watches its socket with inotify, of which a user has 128 by default. */
const PROCESSES_PER_USER = 100
const FIRST_USER = 60_000

const asUser = (number: number): string[] => {
  const user = FIRST_USER + Math.floor(number / PROCESSES_PER_USER)
  const capabilities = '+net_admin,+dac_override'
  return [`--reuid=${user}`, '--clear-groups', `--inh-caps=${capabilities}`, `--ambient-caps=${capabilities}`]
}

/** Makes WireGuard on the host, which waits for the hub to call. */
export async function makeBarePeer(
  host: LabHost,
  hub: Hub,
  { clusterSecret }: ClusterCredentials,
): Promise<BarePeer> {
  const key = (await run(['wg', 'genkey'])).stdout
  const [keyFile, secretFile] = ['key', 'secret'].map((name) => join(host.stateDirectory, name)) as [
    string,
    string,
  ]
  writeFileSync(keyFile, key, { mode: 0o600 })
  writeFileSync(secretFile, `${clusterSecret}\n`, { mode: 0o600 })
  const kernel = await host.exec('ip', ['link', 'add', 'kubespan', 'type', 'wireguard'], { check: false })
  if (kernel.code !== 0) {
    const userspace = host.spawn('setpriv', [...asUser(host.index), 'wireguard-go', '-f', 'kubespan'], {
      name: 'wireguard-go',
    })
    await untilListening(host, userspace)
  }
  const address = parseAddress(hub.subnet.replace(/::\/64$/, `::b:${host.index.toString(16)}`)) as Address
  await host.sh(
    [
      `wg set kubespan listen-port 51820 private-key ${keyFile} peer ${hub.publicKey} preshared-key ${secretFile} allowed-ips ${hub.address}/128`,
      'ip link set kubespan mtu 1420 up',
      `ip addr add ${address}/64 dev kubespan nodad`,
    ].join('\n'),
  )
  return { host, publicKey: (await run(['wg', 'pubkey'], { input: key })).stdout.trim(), address }
}

/** Tells the discovery service of the lab of all of them at once. */
export async function publishBarePeers(
  lab: Lab,
  peers: readonly BarePeer[],
  cluster: ClusterCredentials,
  deadEndpoints: readonly string[],
): Promise<void> {
  const affiliates = peers.map(({ host, publicKey, address }) => {
    const own = addressPortOf(parseAddress(host.v4 ?? '') as Address, 51_820)
    const endpoints = [...deadEndpoints, own] as AddressPort[]
    return affiliateOf({ nodeId: host.name, nodename: host.name, publicKey, address, endpoints })
  })
  await publish(lab, cluster, affiliates)
}

/** From the server where the discovery service of the lab is. Answers when each left, where there is a pause between them. */
export async function publish(
  lab: Lab,
  { clusterId, clusterSecret }: ClusterCredentials,
  affiliates: readonly Affiliate[],
  pauseMilliseconds?: number,
): Promise<readonly number[]> {
  const seal = ClusterKey.fromSecret(clusterSecret)
  if (seal === undefined) throw new Error('not a cluster secret')
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  const publication: Publication = {
    endpoint: `127.0.0.1:${DISCOVERY_PORT}`,
    clusterId,
    affiliates: affiliates.map((affiliate) => ({
      id: affiliate.nodeId,
      data: base64(seal.sealAffiliate(encodeAffiliate(affiliate))),
      endpoints: (affiliate.kubespan?.endpoints ?? []).map((endpoint) =>
        base64(seal.sealEndpoint(encodeEndpoint(endpoint))),
      ),
    })),
    ...(pauseMilliseconds !== undefined && { pauseMilliseconds }),
  }
  const { stdout } = await lab.internet.exec(process.execPath, [join(import.meta.dirname, 'publish.ts')], {
    input: JSON.stringify(publication),
    timeoutMilliseconds: 120_000,
  })
  return stdout.split('\n').filter(Boolean).map(Number)
}
