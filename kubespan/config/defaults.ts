import * as constants from '../model/constants.ts'
import type { Placement } from '../model/desired.ts'
import type {
  BypassSettings,
  PeerEndpointFilters,
  RacingSettings,
  Settings,
  Timing,
} from '../model/settings.ts'

export const DEFAULT_PLACEMENT: Placement = {
  linkName: constants.LINK_NAME,
  listenPort: constants.LISTEN_PORT,
  wireguardFwmark: constants.WIREGUARD_FWMARK,
  routeFwmark: constants.ROUTE_FWMARK,
  fwmarkMask: constants.FWMARK_MASK,
  routingTable: constants.ROUTING_TABLE,
  rulePriority: constants.RULE_PRIORITY,
  nftTable: 'openspan',
}

export const DEFAULT_BYPASS: BypassSettings = {
  destinations: [],
  localPorts: [],
  conntrackMark: constants.BYPASS_CONNTRACK_MARK,
}

export const DEFAULT_RACING: RacingSettings = {
  enabled: true,
  port: constants.RACE_PORT,
  headStart: 20,
  concurrentRaces: 64,
  packetsPerSecond: 1000,
}

export const DEFAULT_FILTERS: PeerEndpointFilters & { readonly links: Settings['linkFilters'] } = {
  links: [],
  preferredRanges: [],
  allowedRanges: [],
  deniedRanges: [],
}

export const DEFAULT_TIMING: Timing = {
  reconcileEvery: constants.RECONCILE_EVERY,
  peerDownAfter: constants.PEER_DOWN_AFTER,
  endpointGrace: constants.ENDPOINT_GRACE,
  affiliateTtl: 30 * 60_000,
  liveWithin: 60_000,
  graceAfterLoss: 5 * 60_000,
  graceAfterDeletion: 60_000,
  holdAfterLoss: 30 * 60_000,
  discoveryBackoffInitial: 500,
  discoveryBackoffCap: 60_000,
}
