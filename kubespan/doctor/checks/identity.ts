import { error, type Finding, info, ok, warning } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'

/** Two machines that are one to the mesh: only a daemon sees it, by what others publish. */
export function checkIdentity({ daemon }: Facts): Finding[] {
  if (!('value' in daemon) || daemon.value?.identityConflicts === undefined) return []
  const { identityConflicts } = daemon.value
  if (identityConflicts.length === 0)
    return [ok('identity', 'nobody else has the node id, key or address of a node')]
  return identityConflicts.map(({ isOwn, isOver, says, mend }) =>
    (isOver ? info : isOwn ? error : warning)('identity', says, mend),
  )
}
