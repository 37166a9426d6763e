import type { DesiredState } from '../model/desired.ts'
import { allBut, hex } from '../model/mark-words.ts'
import type { NftChain } from './nft-types.ts'
import { PRIORITY_FILTER, PRIORITY_RAW } from './nft-words.ts'

/** What is done to packets of WireGuard itself. */

const INITIATION_UDP_BYTES = 156

/**
 * A handshake that comes through a tunnel makes WireGuard call the peer inside that tunnel from then on: everything for it is lost,
 * while both ends seem up.
 */
export const planNotNested = ({
  placement: { linkName, listenPort },
}: Pick<DesiredState, 'placement'>): NftChain => ({
  name: 'kubespan_input',
  type: 'filter',
  hook: 'input',
  priority: PRIORITY_FILTER,
  rules: [`iifname "${linkName}" udp dport ${listenPort} drop`],
})

/**
 * Copies of the kernel's own initiation leave with WireGuard's port and mark, before connections are tracked: the answer goes to the
 * kernel, NATs learn the right port, and, as the mark has them routed anew, no copy enters a tunnel.
 */
export const planRace = ({
  racePort,
  placement: { listenPort, wireguardFwmark, fwmarkMask },
}: Pick<DesiredState, 'placement' | 'racePort'>): NftChain[] =>
  racePort === undefined
    ? []
    : [
        {
          name: 'kubespan_race',
          type: 'route',
          hook: 'output',
          priority: PRIORITY_RAW,
          rules: [
            `udp sport ${racePort} udp length ${INITIATION_UDP_BYTES} meta mark set meta mark & ${allBut(fwmarkMask)} | ${hex(wireguardFwmark)} udp sport set ${listenPort}`,
          ],
        },
      ]
