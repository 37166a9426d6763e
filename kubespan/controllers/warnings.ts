import type { KubernetesReport } from '../model/kubernetes.ts'
import { describeLocalClaims } from '../model/surroundings.ts'
import { describeUnvouched, type UnvouchedInput } from '../plan/members/describe-unvouched.ts'
import { describeUnsettled, type UnsettledRecord } from '../plan/members/settle-records.ts'
import { describeHolding } from '../plan/peers/arbitrate-overlaps.ts'
import { describeConflict, type PeerConflict } from '../plan/peers/peer-specs.ts'
import type { MeshLog } from './announce.ts'
import type { MeshMemory } from './view.ts'

export interface WarningsInput extends Pick<MeshMemory, 'holdings' | 'identityConflicts'> {
  /** Of what this node says of itself. */
  readonly local: readonly string[]
  /** Of services that do not have our record. */
  readonly unpublished: readonly string[]
  readonly kubernetes: KubernetesReport | undefined
  readonly conflicts: readonly PeerConflict[]
  readonly unsettled: readonly UnsettledRecord[]
  readonly unvouched: UnvouchedInput
  /** What others claim of what is local to this host. */
  readonly localClaims: MeshMemory['keptLocal']
  /** Of what the mesh may come up through, and is not let past the tunnel. */
  readonly passing: readonly string[]
}

/** What somebody should look at, most important first. */
export const warningsOf = (input: WarningsInput): readonly string[] => [
  ...input.identityConflicts.map(({ says }) => says),
  ...input.local,
  ...input.unpublished,
  ...(input.kubernetes?.problem === undefined ? [] : [`kubernetes: ${input.kubernetes.problem}`]),
  ...describeUnvouched(input.unvouched),
  ...input.conflicts.map(describeConflict),
  ...input.unsettled.flatMap((record) => describeUnsettled(record) ?? []),
  ...[...input.holdings].map(([prefix, holding]) => describeHolding(prefix, holding)),
  ...describeLocalClaims(input.localClaims),
  ...input.passing,
]

/** A warning is a line in the log when it appears, not in every pass that it stands. */
export class WarningLog {
  readonly #log: MeshLog
  #said = new Set<string>()

  constructor(log: MeshLog) {
    this.#log = log
  }

  tell(warnings: readonly string[]): void {
    for (const warning of warnings) if (!this.#said.has(warning)) this.#log.warn({}, warning)
    this.#said = new Set(warnings)
  }
}
