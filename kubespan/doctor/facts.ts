import type { Address, AddressPort, Family, Prefix } from '../../shared/net/address.ts'
import type { TableRoute } from '../diff/routing-view.ts'
import type { Privileges } from '../host/capabilities.ts'
import type { Program } from '../host/installed.ts'
import type { Packages } from '../host/packages.ts'
import type { ToolReports } from '../host/tool-reports.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import type { Seen } from '../model/finding.ts'
import type { Ruleset } from '../model/nft-ruleset.ts'
import type { PathFilterFact } from '../model/path-filters.ts'
import type { AnyRule } from '../model/policy-rule.ts'
import type { ProofAnswer } from '../model/proof-answer.ts'
import type { Settings } from '../model/settings.ts'

/** Everything that the checks judge, observed once. */
export interface Facts {
  readonly config: ConfigFact
  readonly settings: Settings
  /** Undefined when no daemon answers. */
  readonly daemon: Seen<DaemonView | undefined>
  readonly programs: ReadonlySet<Program>
  /** Undefined when they were not asked. */
  readonly tools?: ToolReports
  /** Undefined for Debian's. */
  readonly packages?: Packages
  readonly privileges: Privileges
  readonly kernelWireGuard: KernelWireGuard
  /** /dev/net/tun, which a userspace WireGuard needs. */
  readonly hasTun: boolean
  readonly links: Seen<readonly LinkFact[]>
  readonly rules: Seen<readonly AnyRule[]>
  /** By our nft table; undefined while there is none. */
  readonly routed: RoutedFact | undefined
  /** Routes of the tables that others' rules lead to before ours is asked, as far as they could be looked at. */
  readonly ruleTables: readonly RuleTable[]
  readonly foreignRoutes: Seen<readonly string[]>
  readonly uplinks: Seen<readonly Uplink[]>
  readonly wireguard: Seen<ReadonlyMap<string, WireGuardFact>>
  readonly chains: Seen<readonly ChainFact[]>
  /** Undefined when nobody looked. */
  readonly firewall?: FirewallFact
  readonly pathFilters: Seen<readonly PathFilterFact[]>
  readonly udpPorts: ReadonlySet<number>
  /** Below /proc/sys/net; undefined where the kernel has none. */
  readonly sysctls: ReadonlyMap<string, string | undefined>
  readonly processes: readonly ProcessFact[]
  readonly clock: Seen<boolean>
  readonly services: readonly ServiceFact[]
  /** Undefined where the registry is off. */
  readonly kubernetes: KubernetesFact | undefined
  readonly files: readonly FileFact[]
  readonly freeStateBytes: number | undefined
  readonly now: number
}

export interface RoutedFact {
  /** What is sent into the mesh. */
  readonly destinations: readonly Prefix[]
  /** Where what is forwarded has to come from; empty where nothing is. */
  readonly sources: readonly Prefix[]
}

export interface RuleTable {
  readonly family: Family
  readonly table: number
  readonly routes: readonly TableRoute[]
}

export interface ConfigFact {
  readonly file: string
  /** Why it cannot be used; the settings then go by what is right in it. */
  readonly problem: string | undefined
  readonly warnings: readonly string[]
}

/** `loaded` or in the kernel; `available` as a module; `absent`; `unknown` where the modules cannot be looked at. */
export type KernelWireGuard = 'loaded' | 'available' | 'absent' | 'unknown'

export interface LinkFact {
  readonly name: string
  readonly kind: string | undefined
  readonly mtuBytes: number
  readonly isUp: boolean
  readonly addresses: readonly { readonly address: Address; readonly bits: number }[]
}

/** A default route of the main table, and the link that it leads out of. */
export interface Uplink {
  readonly family: Family
  readonly dev: string
}

export interface WireGuardFact {
  readonly publicKey: string | undefined
  readonly listenPort: number
  readonly fwmark: number
  readonly peers: readonly WireGuardPeerFact[]
}

export interface WireGuardPeerFact {
  readonly publicKey: string
  readonly endpoint: AddressPort | undefined
  readonly allowedIps: readonly Prefix[]
  /** Undefined: never. */
  readonly handshakeAge: number | undefined
  readonly receiveBytes: number
  readonly transmitBytes: number
}

export interface ChainFact {
  readonly family: string
  readonly table: string
  readonly name: string
  readonly hook: string | undefined
  readonly policy: string | undefined
}

/** What filters packets on this host, and who manages it. */
export interface FirewallFact {
  readonly ruleset: Seen<Ruleset>
  readonly hasFirewalld: boolean
  readonly hasUfw: boolean
  readonly hasIptablesNft: boolean
  /** The older iptables, whose rules nft does not show. */
  readonly hasLegacyTables: boolean
}

export interface ProcessFact {
  readonly name: string
  readonly args: readonly string[]
}

/** How far we got with the API server. */
export interface KubernetesFact {
  /** `host:port`; undefined while the credentials do not say. */
  readonly endpoint: string | undefined
  readonly nodes: number
  /** Undefined when the Nodes were listed. */
  readonly problem: string | undefined
  /** It answered, and the answer was no. */
  readonly isForbidden: boolean
}

/** How far we got with one discovery service. */
export interface ServiceFact {
  readonly name: string
  readonly endpoint: string
  /** Through which it is reached; names and addresses are then the proxy's. Undefined for directly. */
  readonly proxy: string | undefined
  readonly plaintext: boolean
  /** Undefined when the name was resolved. */
  readonly nameProblem: string | undefined
  /** By the name, as the daemon does it; undefined when it answered. */
  readonly helloProblem: string | undefined
  /** The proxy asks for credentials that only the daemon has. */
  readonly lacksCredentials: boolean
  /** Hello was not said, because there is no cluster to say it for, or because the proxy would not let us. */
  readonly hasHello: boolean
  readonly attempts: readonly FamilyAttempt[]
  /** Our address as the service sees it. */
  readonly clientAddress: Address | undefined
  /** What it makes of our proof of membership; undefined where it does not know of such. */
  readonly proof: ProofAnswer | undefined
}

/** One address of a service, tried directly. */
export interface FamilyAttempt {
  readonly family: Family
  readonly address: Address
  /** Undefined when the connection was made. */
  readonly problem: string | undefined
  readonly milliseconds: number
}

export interface FileFact {
  readonly path: string
  readonly what: 'state directory' | 'identity' | 'run directory' | 'configuration'
  /** Undefined when there is none. */
  readonly stat: { readonly mode: number; readonly uid: number; readonly isDirectory: boolean } | undefined
  /** Why it could not be looked at. */
  readonly problem: string | undefined
}
