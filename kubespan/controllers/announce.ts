import type { PeerSpec, PeerStatus, PublicKey } from '../model/peer.ts'

export interface MeshLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  debug?(fields: object, message: string): void
  isLevelEnabled?(level: string): boolean
}

type Statuses = ReadonlyMap<PublicKey, PeerStatus>

/** One line for each peer that changed its state or moved while it was up, or went; none in a quiet pass. */
export function announceStates(
  log: MeshLog,
  before: Statuses,
  after: Statuses,
  specs: readonly PeerSpec[],
): void {
  for (const { publicKey, label } of specs) {
    const is = after.get(publicKey)
    const was = before.get(publicKey)
    if (is === undefined || is === was) continue
    const peer = { peer: label, publicKey }
    if (is.state !== was?.state)
      log.info({ ...peer, is: is.state, was: was?.state, endpoint: is.endpoint }, 'peer state changed')
    // While a peer is sought its endpoint changes all the time, and says nothing.
    else if (is.state === 'up' && is.endpoint !== was.endpoint)
      log.info({ ...peer, is: is.endpoint, was: was.endpoint }, 'endpoint changed')
  }
  for (const [publicKey, { label }] of before)
    if (!after.has(publicKey)) log.info({ peer: label, publicKey }, 'peer removed')
}
