import type { Clock } from '../shared/clock.ts'
import type { Logger } from '../shared/log.ts'
import type { Address } from '../shared/net/address.ts'
import type { Resolved } from './config/resolve.ts'
import type { MeshHost } from './controllers/mesh-host.ts'
import type { Placement } from './model/desired.ts'
import type { FateReport } from './model/fate.ts'
import type { HostView } from './model/host-view.ts'
import type { ObservedLink } from './model/observed.ts'
import type { Settings } from './model/settings.ts'

export interface DaemonOptions {
  readonly configFile: string
  readonly clock: Clock
  readonly log: Logger
  /** The host, and what wakes a pass when something on it changes, given its links as of the last pass. */
  readonly host: (
    settings: () => Settings,
    wake: () => void,
    links: () => readonly ObservedLink[],
  ) => { readonly mesh: MeshHost; readonly inspector: Inspector; readonly monitors: AsyncDisposable }
  readonly loaded: Resolved
}

/** Looks at the host for those who ask, and changes nothing. */
export interface Inspector {
  host(placement: Placement): Promise<HostView>
  fates(placement: Placement, addresses: readonly Address[]): Promise<FateReport>
}
