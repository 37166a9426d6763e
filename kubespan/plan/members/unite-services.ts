import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import { compareBytes } from '../../../shared/byte-order.ts'
import type { Instant, Milliseconds } from '../../../shared/clock.ts'
import type { RawAffiliate } from '../../model/affiliate.ts'

/** What one discovery service has told us, and how far it can be believed. */
export interface ServiceReport {
  readonly name: string
  readonly isConnected: boolean
  /** When it last told us anything; undefined until its first snapshot. */
  readonly lastContactAt: Instant | undefined
  readonly affiliates: ReadonlyMap<
    string,
    {
      readonly affiliate: Affiliate
      readonly changedAt: Instant
      /** Another one each time that its node seals it anew. */
      readonly stamp?: string
    }
  >
  /** What it deleted by a message since its last snapshot. */
  readonly departures: ReadonlyMap<
    string,
    { readonly at: Instant; readonly explicit: boolean; readonly farewell?: Affiliate }
  >
}

export interface UnitedServices {
  readonly raw: readonly RawAffiliate[]
  /** Who vouches for each node id. */
  readonly vouchers: ReadonlyMap<string, readonly string[]>
  /** Node ids that no service has any more and that somebody wanted gone. */
  readonly explicitDeletions: ReadonlySet<string>
  /** Of nodes that nobody vouches for any more: that they have left, in their own word. */
  readonly farewells: readonly Affiliate[]
  /** False until some service has told us all it knows: before that a missing affiliate means nothing. */
  readonly isComplete: boolean
}

/**
 * One affiliate per node out of all services: data from the one where it changed last, endpoints from all (SPEC 9, C4).
 *
 * What a service that is cut off said keeps counting, so that a dead service changes nothing - but not for ever while
 * others speak: not after the deletion of an affiliate by a service that knows better, and not beyond `ttl`, when it
 * would have forgotten the affiliate itself.
 */
export function uniteServices(
  services: readonly ServiceReport[],
  now: Instant,
  ttl: Milliseconds,
): UnitedServices {
  const sorted = services.toSorted((a, b) => compareBytes(a.name, b.name))
  const live = sorted.filter(({ isConnected }) => isConnected)
  const believed = sorted.filter(
    ({ isConnected, lastContactAt = -Infinity }) =>
      isConnected || live.length === 0 || now - lastContactAt < ttl,
  )

  const raw: RawAffiliate[] = []
  const vouchers = new Map<string, readonly string[]>()
  for (const nodeId of new Set(believed.flatMap(({ affiliates }) => [...affiliates.keys()]))) {
    const said = believed.flatMap((service) => {
      const record = service.affiliates.get(nodeId)
      return record === undefined || isOvertaken(service, nodeId, live) ? [] : [{ service, ...record }]
    })
    const newest = said.toSorted(latestFirst)[0]
    if (newest === undefined) continue
    const endpoints = [newest, ...said].flatMap(({ affiliate }) => affiliate.kubespan.endpoints)
    const kubespan = { ...newest.affiliate.kubespan, endpoints: [...new Set(endpoints)] }
    raw.push({ rawId: `service/${nodeId}`, affiliate: { ...newest.affiliate, kubespan } })
    vouchers.set(
      nodeId,
      said.map(({ service }) => service.name),
    )
  }

  const departed = sorted.flatMap(({ departures }) => [...departures].filter(([, { explicit }]) => explicit))
  return {
    raw,
    vouchers,
    explicitDeletions: new Set(departed.map(([nodeId]) => nodeId).filter((nodeId) => !vouchers.has(nodeId))),
    farewells: sorted.flatMap(({ departures }) =>
      [...departures].flatMap(([nodeId, { farewell }]) =>
        farewell === undefined || vouchers.has(nodeId) ? [] : [farewell],
      ),
    ),
    isComplete: sorted.some(({ lastContactAt }) => lastContactAt !== undefined),
  }
}

/** By what their node says of when it sealed them, where it does; else by when we were told. */
const latestFirst = (a: SaidRecord, b: SaidRecord): number => {
  const [one, other] = [a.affiliate.sealedAt, b.affiliate.sealedAt]
  return one === undefined || other === undefined || one === other ? b.changedAt - a.changedAt : other - one
}

type SaidRecord = ServiceReport['affiliates'] extends ReadonlyMap<string, infer T> ? T : never

/** Whether a connected service has seen the affiliate leave since the one that is cut off last spoke. */
const isOvertaken = (service: ServiceReport, nodeId: string, live: readonly ServiceReport[]): boolean =>
  !service.isConnected &&
  live.some(
    ({ departures }) => (departures.get(nodeId)?.at ?? -Infinity) > (service.lastContactAt ?? -Infinity),
  )
