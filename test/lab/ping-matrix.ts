import { podAttachment } from './attachment.ts'
import type { Box, LabHost } from './box.ts'
import type { Matrix } from './matrix.ts'
import { type Echo, type PingOptions, pingAll } from './ping.ts'

/** One kind of address: from where it is pinged, and which ones each host has. */
export interface PingKind {
  readonly title: string
  readonly from: (host: LabHost) => Box
  readonly addresses: (host: LabHost, from: LabHost) => readonly string[]
}

/**
 * Every address of the hosts' own links, the IPv6 ones also from hosts without an uplink for them: their mesh address is one to
 * send from. A host without any IPv4 address has none.
 */
export const nodeAddresses: PingKind = {
  title: 'node addresses (IPv4, IPv6, LAN)',
  from: (host) => host,
  addresses: (host, from) =>
    host.addresses.filter((address) => address.includes(':') || from.v4 !== undefined),
}

/** From pod to pod. */
export const podAddresses: PingKind = {
  title: 'pod to pod (IPv4, IPv6)',
  from: (host) => host.pod ?? host,
  addresses: (host) => {
    if (host.pod === undefined) return []
    const { v4, v6 } = podAttachment(host.name, host.index)
    return [v4?.address, v6?.address].filter((address) => address !== undefined)
  },
}

/** The addresses that the mesh itself gives. */
export const meshAddresses = (addressOf: (host: LabHost) => string): PingKind => ({
  title: 'mesh addresses (ULA)',
  from: (host) => host,
  addresses: (host) => [addressOf(host)],
})

/** Pings every address of every host from every other host, all hosts at once. */
export async function pingMatrix(
  hosts: readonly LabHost[],
  kind: PingKind,
  options: PingOptions = { attempts: 3 },
): Promise<Matrix> {
  const cells = await Promise.all(
    hosts.map(async (from) => {
      const targets = hosts.map((to) => (to === from ? [] : kind.addresses(to, from)))
      const echoes = await pingAll(kind.from(from), targets.flat(), options)
      const byAddress = new Map(echoes.map((echo) => [echo.address, echo]))
      return targets.map((addresses) =>
        addresses.map(
          (address): Echo => byAddress.get(address) ?? { address, roundTripMilliseconds: undefined },
        ),
      )
    }),
  )
  return { title: kind.title, names: hosts.map(({ name }) => name), cells }
}
