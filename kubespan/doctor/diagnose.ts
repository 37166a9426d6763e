import type { Finding } from '../model/finding.ts'
import {
  checkLocal,
  checkMeshPrefix,
  checkOtherWireGuard,
  checkPort,
  checkRules,
  checkTable,
} from './checks/clashes.ts'
import { checkFiles } from './checks/files.ts'
import { checkFirewall } from './checks/firewall.ts'
import { checkConfig, checkDaemon, checkNft, checkPrivileges, checkWireGuard } from './checks/ground.ts'
import { checkIdentity } from './checks/identity.ts'
import { checkKubelet } from './checks/kubelet.ts'
import { checkKubernetes } from './checks/kubernetes.ts'
import { checkMarkRules } from './checks/marks.ts'
import { checkNeighbours } from './checks/neighbours.ts'
import {
  checkForwardedSources,
  checkForwarding,
  checkMtu,
  checkPathFilters,
  checkReversePath,
} from './checks/packets.ts'
import { checkClock, checkNat, checkServices, checkUdp } from './checks/reach.ts'
import { checkSelf } from './checks/self.ts'
import { checkPrograms } from './checks/tools.ts'
import type { Facts } from './facts.ts'

/** In the order in which they are told: what comes first is needed by what comes later. */
const CHECKS: readonly ((facts: Facts) => readonly Finding[])[] = [
  checkConfig,
  checkPrograms,
  checkPrivileges,
  checkDaemon,
  checkWireGuard,
  checkNft,
  checkFiles,
  checkClock,
  checkIdentity,
  checkServices,
  checkKubernetes,
  checkPort,
  checkUdp,
  checkNat,
  checkFirewall,
  checkReversePath,
  checkPathFilters,
  checkForwarding,
  checkForwardedSources,
  checkMtu,
  checkRules,
  checkMarkRules,
  checkTable,
  checkOtherWireGuard,
  checkMeshPrefix,
  checkLocal,
  checkSelf,
  checkNeighbours,
  checkKubelet,
]

/** All findings of one look at the host. */
export const diagnose = (facts: Facts): readonly Finding[] => CHECKS.flatMap((check) => check(facts))
