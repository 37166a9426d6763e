import type { Address, Family } from '../../shared/net/address.ts'

/** What of the daemon's making is on the host at this moment, as the kernel shows it. Plain JSON, no secret in it. */
export interface HostView {
  /** Our link; empty while there is none. */
  readonly links: readonly LinkStatusView[]
  readonly addresses: readonly AddressStatusView[]
  readonly routes: readonly RouteStatusView[]
  readonly rules: readonly RuleStatusView[]
  readonly chains: readonly ChainView[]
  readonly sets: readonly SetView[]
}

export interface LinkStatusView {
  readonly name: string
  /** `ether`, `none`, as the kernel types it. */
  readonly type: string
  /** `wireguard`, `tun`; empty when the kernel names none. */
  readonly kind: string
  readonly hardwareAddress: string
  /** `up`, `down`, `unknown` as links without carrier detection have it. */
  readonly operationalState: string
  readonly hasCarrier: boolean
  readonly mtuBytes: number
  readonly index: number
  readonly wireguard:
    | {
        readonly publicKey: string
        readonly listenPort: number
        readonly fwmark: number
        readonly peers: number
      }
    | undefined
}

export interface AddressStatusView {
  readonly link: string
  readonly address: Address
  readonly bits: number
  readonly scope: string
}

export interface RouteStatusView {
  readonly family: Family
  /** `default` routes are `0.0.0.0/0` and `::/0`. */
  readonly destination: string
  /** Empty for the one that refuses. */
  readonly link: string
  readonly type: 'unicast' | 'unreachable'
  readonly table: number
  readonly metric: number
  readonly mtuBytes: number | undefined
}

export interface RuleStatusView {
  readonly family: Family
  readonly priority: number
  /** Absent: anywhere. */
  readonly to?: string | undefined
  readonly fwmark: number
  readonly fwmask: number
  readonly table: number
}

export interface ChainView {
  /** `table/chain`. */
  readonly id: string
  readonly type: string
  readonly hook: string
  readonly priority: number | undefined
  readonly policy: string
  /** As `nft` prints them. */
  readonly rules: readonly string[]
}

export interface SetView {
  readonly id: string
  readonly type: string
  readonly elements: readonly string[]
}
