import { type AffiliateUpdate, updateAffiliate } from '../../state/affiliate.ts'
import { refusalOf, TOO_MANY_AFFILIATES, TOO_MANY_FROM_ADDRESS, UNPROVEN } from '../../state/clusters.ts'
import { limitOf, type OriginLimits, toMakeRoom } from '../../state/crowd.ts'
import { NOBODY, rightsOf, type Writer } from '../../state/rights.ts'
import type { Refusal } from '../../validation/refusal.ts'
import type { AdmitCluster } from '../store.ts'
import { deleteAffiliate, readAffiliate, readCluster, writeAffiliate } from './clusters-in-redis.ts'
import type { FollowedCluster } from './followed.ts'
import type { KeysSeen } from './keys-seen.ts'
import type { ClusterKeys } from './layout.ts'
import type { Link } from './link.ts'

export const UNAVAILABLE: Refusal = { kind: 'unavailable' }

/** Others change the same affiliate at the same time, if at all, a few times. */
const ATTEMPTS = 16

/** Where it is written: the cluster, and what is held of it here if it is followed. */
export interface WritePlace {
  readonly link: Link
  readonly keys: ClusterKeys
  readonly followed: FollowedCluster | undefined
  readonly keysSeen: KeysSeen
  readonly limits: OriginLimits
}

/** Computes what the update makes of the affiliate, and puts it in the place of what it was computed from, until that is there. */
export async function updateInRedis(
  place: WritePlace,
  affiliateId: string,
  update: AffiliateUpdate,
  admit: AdmitCluster,
): Promise<Refusal | undefined> {
  const { link, keys, followed, keysSeen, limits } = place
  const { writer = NOBODY } = update
  const isListed = writer.listed !== undefined
  let old = followed?.get(affiliateId)
  let isOldKnown = false
  let mayCreate = false
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const pin = keysSeen.expected(keys.hash, writer)
    const left = mayCreate && pin === '' ? (writer.key ?? '') : ''
    const rights = rightsOf(writer, pin || left || undefined)
    const affiliate = updateAffiliate(affiliateId, old, update, rights)
    if (typeof affiliate === 'string') {
      if (isOldKnown) return refusalOf(affiliate)
      old = await readAffiliate(link, keys, affiliateId)
      isOldKnown = true
      continue
    }
    const isChange = old === undefined || old.encoded !== affiliate.encoded
    const expected = old?.version ?? ''
    const { written, stored } = await writeAffiliate(link, keys, affiliate, {
      ...{ expected, isChange, mayCreate, limit: limitOf(rights, limits, isListed) },
      key: { expected: pin, left },
    })
    switch (written.kind) {
      case 'done':
        if (left !== '') keysSeen.saw(keys.hash, left)
        if (!isChange) followed?.refreshed(expected, stored)
        return undefined
      case 'key':
        keysSeen.saw(keys.hash, written.key)
        break
      case 'full':
        if (rights !== 'member' || !isListed || !(await makeRoom(place))) return TOO_MANY_AFFILIATES
        break
      case 'crowded':
        return TOO_MANY_FROM_ADDRESS
      case 'absent': {
        const refusal = await admit()
        if (refusal !== undefined) return refusal
        mayCreate = true
        break
      }
      case 'conflict':
        if (written.isUnreadable) return UNAVAILABLE
        old = written.there
        isOldKnown = true
        break
      default:
        return UNAVAILABLE
    }
  }
  return UNAVAILABLE
}

/** False when there is nothing that could go. That another was first is no reason to give up. */
async function makeRoom({ link, keys }: WritePlace): Promise<boolean> {
  const reading = await readCluster(link, keys, '')
  const there = reading.kind === 'anew' ? reading.cluster.affiliates : new Map()
  const leaving = toMakeRoom(there, 'member', true)
  if (leaving === undefined) return false
  const { version: expected } = there.get(leaving.id)
  await deleteAffiliate(link, keys, leaving.id, { expected })
  return true
}

/** Whether there was such an affiliate. */
export async function deleteInRedis(
  { link, keys, keysSeen }: WritePlace,
  affiliateId: string,
  writer: Writer,
): Promise<boolean | Refusal> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const pin = keysSeen.expected(keys.hash, writer)
    let expected = '*'
    if (rightsOf(writer, pin || undefined) === 'stranger') {
      const there = await readAffiliate(link, keys, affiliateId)
      if (there === undefined) return false
      if (there.isProven) return UNPROVEN
      expected = there.version
    }
    const written = await deleteAffiliate(link, keys, affiliateId, {
      expected,
      key: { expected: pin, left: '' },
    })
    if (written.kind === 'key') keysSeen.saw(keys.hash, written.key)
    else if (written.kind !== 'conflict') return written.kind === 'done'
  }
  return UNAVAILABLE
}
