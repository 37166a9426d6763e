import assert from 'node:assert/strict'
import type { Box, LabHost } from '../lab/box.ts'
import { parseCounters } from '../lab/wan-watch.ts'

/** What arrives at a host of echoes that did not come out of the tunnel, on whatever link. */
const WATCH = `table inet wire {
  counter clear { }
  chain arriving {
    type filter hook prerouting priority -400
    iifname { "eth0", "eth1" } icmp type echo-request counter name clear
    iifname { "eth0", "eth1" } icmpv6 type echo-request counter name clear
  }
}`

export const watchEchoes = (host: LabHost) => host.exec('nft', ['-f', '-'], { input: WATCH })

/** How many since then. Counters in the kernel miss nothing. */
export async function echoesInClear(host: LabHost): Promise<number> {
  const { stdout } = await host.exec('nft', ['-j', 'list', 'counters', 'table', 'inet', 'wire'])
  return parseCounters(stdout).get('clear')?.packets ?? assert.fail(stdout)
}

/** Asks each five times, all at once, and does not mind the answers. */
export const knock = (from: Box, addresses: readonly string[]) =>
  from.sh(`for a in ${addresses.join(' ')}; do ping -n -c 5 -i 0.1 -W 0.2 $a & done >/dev/null 2>&1; wait`)

/** A second address on the link, for neighbours that share it by IPv6 as well. */
export const LAN_V6 = ['fd99:1::2', 'fd99:1::3'] as const

export async function addLanV6(...hosts: readonly LabHost[]): Promise<void> {
  for (const [place, host] of hosts.entries())
    await host.sh(`ip -6 addr add ${LAN_V6[place]}/64 dev eth1 nodad`)
}
