import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import { sweepAffiliate } from '../../state/affiliate.ts'
import type { Counts } from '../../state/clusters.ts'
import { deleteAffiliate, readAffiliate, writeAffiliate } from './clusters-in-redis.ts'
import { BUCKETS, dueKey, EPOCH_KEY, HOLD_MAX, keysOf, readDueMember } from './layout.ts'
import type { Link } from './link.ts'
import { SCRIPTS } from './scripts.ts'

/** Of one bucket at a time. */
const PAGE = 500

/** Whether it is time to sweep; see turn.lua. A pause longer than `gap` is one in which nodes could not refresh. */
export async function mayHaveTurn(link: Link, gap: Milliseconds): Promise<boolean> {
  const [, may] = await link.run(SCRIPTS.turn, [EPOCH_KEY], [`${gap}`, `${HOLD_MAX}`])
  return String(may) === '1'
}

/** Takes away what is over at `now`, whichever replica it came through. Others may do the same at the same time. */
export async function sweepDue(link: Link, now: Instant): Promise<Counts> {
  const pages = await Promise.all(BUCKETS.map((bucket) => sweepBucket(link, bucket, now)))
  let affiliates = 0
  let endpoints = 0
  for (const page of pages) {
    affiliates += page.affiliates
    endpoints += page.endpoints
  }
  return { clusters: 0, affiliates, endpoints }
}

type Gone = Pick<Counts, 'affiliates' | 'endpoints'>

async function sweepBucket(link: Link, bucket: string, now: Instant): Promise<Gone> {
  let [affiliates, endpoints] = [0, 0]
  for (;;) {
    const due = (await link.ask(
      'ZRANGE',
      dueKey(bucket),
      '-inf',
      now,
      'BYSCORE',
      'LIMIT',
      0,
      PAGE,
    )) as Buffer[]
    const gone = (await Promise.all(due.map((member) => sweepOne(link, String(member), now)))).filter(
      (each) => each !== undefined,
    )
    for (const each of gone) {
      affiliates += each.affiliates
      endpoints += each.endpoints
    }
    if (due.length < PAGE || gone.length === 0) return { affiliates, endpoints }
  }
}

/** Undefined when nothing was over, or another replica, or a refresh, was first. */
async function sweepOne(link: Link, member: string, now: Instant): Promise<Gone | undefined> {
  const { hash, affiliateId } = readDueMember(member)
  const keys = keysOf(hash)
  const affiliate = await readAffiliate(link, keys, affiliateId)
  if (affiliate === undefined) return undefined
  const left = sweepAffiliate(affiliate, now)
  if (left === affiliate) return undefined
  const { version: expected } = affiliate
  const endpoints = affiliate.endpoints.length - (left?.endpoints.length ?? 0)
  if (left === undefined) {
    const deleted = await deleteAffiliate(link, keys, affiliateId, { expected, notBefore: now })
    return deleted.kind === 'done' ? { affiliates: 1, endpoints } : undefined
  }
  const options = { expected, isChange: true, mayCreate: false, notBefore: now }
  const { written } = await writeAffiliate(link, keys, left, options)
  return written.kind === 'done' ? { affiliates: 0, endpoints } : undefined
}
