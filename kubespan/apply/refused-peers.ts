import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import type { PeerChange } from '../diff/wireguard.ts'
import type { ToolError } from '../host/tool-error.ts'
import type { PublicKey } from '../model/peer.ts'

export interface RefusedPeer {
  readonly publicKey: PublicKey
  readonly error: ToolError
}

/** What was refused may be accepted by then: `wg` was upgraded, a name can be resolved. */
const TRY_AGAIN_AFTER: Milliseconds = 600_000

/** Peers that `wg` has refused: finding out which of many costs a dozen calls, so it is not done in every pass. */
export class RefusedPeers {
  readonly #clock: Pick<Clock, 'now'>
  #known = new Map<PublicKey, RefusedPeer & { readonly spec: string; readonly until: Instant }>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Those of the changes that were refused as they are, a while ago at most. All others are forgotten. */
  among(changes: readonly PeerChange[]): readonly RefusedPeer[] {
    const now = this.#clock.now()
    this.#known = new Map(
      changes.flatMap(({ peer }) => {
        const known = this.#known.get(peer.publicKey)
        const isSame = known !== undefined && known.spec === specOf(peer) && now < known.until
        return isSame ? [[peer.publicKey, known]] : []
      }),
    )
    return [...this.#known.values()]
  }

  note(refused: readonly RefusedPeer[], changes: readonly PeerChange[]): void {
    const until = this.#clock.now() + TRY_AGAIN_AFTER
    for (const { publicKey, error } of refused) {
      const change = changes.find(({ peer }) => peer.publicKey === publicKey)
      if (change !== undefined)
        this.#known.set(publicKey, { publicKey, error, spec: specOf(change.peer), until })
    }
  }
}

const specOf = ({ allowedIps, endpoint }: PeerChange['peer']): string =>
  JSON.stringify([allowedIps, endpoint])
