/**
 * The state of SPEC 1.4 with S1, S2 and S3 of section 9, and with room for what its owner says of an affiliate; written as
 * plainly as can be: what the real one must equal.
 */
export interface ModelAffiliate {
  data: string
  until: number
  readonly endpoints: Map<string, number>
  /** Endpoints that came with data. */
  readonly own: Set<string>
}

export interface ModelUpdate {
  readonly data: string
  readonly endpoints: readonly string[]
  readonly until: number
}

/** One cluster by affiliate id. */
export type ModelCluster = Map<string, ModelAffiliate>

export class StateModel {
  readonly clusters = new Map<string, ModelCluster>()

  /** What the update is answered with. */
  update(
    clusterId: string,
    id: string,
    { data, endpoints, until }: ModelUpdate,
  ): 'ok' | 'affiliates' | 'endpoints' {
    const cluster: ModelCluster = this.clusters.get(clusterId) ?? new Map()
    const old = cluster.get(id)
    if (old === undefined && cluster.size === 1024) return 'affiliates'
    if (new Set(endpoints).size > 64) return 'endpoints'
    const known = new Map(old?.endpoints)
    const own = new Set([...(old?.own ?? [])].filter((endpoint) => known.has(endpoint)))
    for (const endpoint of endpoints) {
      known.set(endpoint, Math.max(known.get(endpoint) ?? until, until))
      if (data !== '') own.add(endpoint)
    }
    const isOfOthers = (endpoint: string): boolean => !own.has(endpoint)
    // The last of others have no room beyond 16; what is the owner's, and over first, has none beyond 64.
    for (const last of [...known.keys()].filter(isOfOthers).slice(16)) known.delete(last)
    while (known.size > 64) {
      const last = [...known.keys()].filter(isOfOthers).at(-1)
      const unnamed = [...known].filter(([endpoint]) => !endpoints.includes(endpoint))
      const end = Math.min(...unnamed.map(([, each]) => each))
      known.delete(last ?? unnamed.findLast(([, each]) => each === end)?.[0] ?? '')
    }
    cluster.set(id, {
      data: data === '' ? (old?.data ?? '') : data,
      until: data === '' ? Math.max(old?.until ?? until, until) : until,
      endpoints: known,
      own,
    })
    this.clusters.set(clusterId, cluster)
    return 'ok'
  }

  delete(clusterId: string, id: string): boolean {
    return this.clusters.get(clusterId)?.delete(id) ?? false
  }

  sweep(now: number): void {
    for (const [clusterId, cluster] of this.clusters) {
      for (const [id, { until, endpoints }] of cluster) {
        for (const [endpoint, end] of endpoints) if (end <= now) endpoints.delete(endpoint)
        if (until < now) cluster.delete(id)
      }
      if (cluster.size === 0) this.clusters.delete(clusterId)
    }
  }

  /** One line per affiliate, without expirations: what a client can see. */
  view(clusterId: string): string[] {
    return Array.from(this.clusters.get(clusterId) ?? [], ([id, { data, endpoints }]) =>
      viewLine(id, data, [...endpoints.keys()]),
    ).sort()
  }

  /** One line per affiliate with all that there is, below the id of its cluster. */
  full(): string[] {
    const filled = [...this.clusters].filter(([, cluster]) => cluster.size > 0)
    return filled
      .map(([clusterId, cluster]) => [
        clusterId,
        ...Array.from(cluster, ([id, { data, until, endpoints }]) =>
          fullLine(id, data, until, [...endpoints]),
        ).sort(),
      ])
      .sort()
      .flat()
  }
}

export const viewLine = (id: string, data: string, endpoints: readonly string[]): string =>
  `${id}=${data}[${endpoints.join()}]`

export const fullLine = (
  id: string,
  data: string,
  until: number,
  endpoints: readonly (readonly [string, number])[],
): string => `${id}=${data}@${until}[${endpoints.map(([endpoint, end]) => `${endpoint}@${end}`).join()}]`
