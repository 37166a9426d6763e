import { createHash, timingSafeEqual } from 'node:crypto'
import { type HttpAnswer, type HttpHandler, type HttpQuestion, jsonAnswer } from '../../shared/http.ts'
import type { Affiliates } from '../state/clusters.ts'
import type { ClusterSummary, StoreDirectory } from '../store/store.ts'
import type { Refusal } from '../validation/refusal.ts'

/** A cluster as operators see it: by a hash, because the id gives access to it. */
export interface ClusterView {
  /** SHA-256 of the id in hex; logs name a cluster by the first eight digits. */
  readonly cluster: string
  readonly affiliates: number
  readonly endpoints: number
}

export interface AffiliateView {
  readonly id: string
  readonly dataBytes: number
  readonly endpoints: number
  /** Negative when it has expired and is not collected yet. */
  readonly expiresInSeconds: number
  /** Since it was last announced; null when that was before the service started. */
  readonly refreshedSecondsAgo: number | null
}

/** What an operator took away. */
export interface Forgotten {
  readonly cluster: string
  readonly affiliates: number
}

export interface AdminApiOptions {
  readonly store: StoreDirectory
  /** What every request must bring; undefined when the socket itself lets in only whom it should. */
  readonly token: (() => string) | undefined
  readonly onForget: (forgotten: Forgotten & { readonly affiliateId: string | undefined }) => void
}

/** Clusters may be named by a beginning of their hash, no shorter than what logs show. */
const CLUSTER_NAME = /^[0-9a-f]{8,64}$/

/**
 * The API for operators: `GET /clusters`, `GET /clusters/HASH/affiliates`, `DELETE /clusters/HASH`,
 * `DELETE /clusters/HASH/affiliates/ID`. Watchers are told of what is deleted as of everything else.
 */
export function makeAdminApi(options: AdminApiOptions): HttpHandler {
  return async (question) => {
    if (options.token !== undefined && !isAuthorized(question, options.token()))
      return { ...problem(401, 'the token is missing or wrong'), headers: UNAUTHORIZED_HEADERS }
    const parts = pathParts(question.path)
    if (parts?.[0] !== 'clusters') return NOTHING_HERE
    const summaries = await options.store.summaries()
    if ('kind' in summaries) return UNAVAILABLE
    if (parts.length === 1)
      return question.method === 'GET' ? jsonAnswer(200, listClusters(summaries)) : WRONG_METHOD
    const found = findCluster(summaries, parts[1] as string)
    if ('problem' in found) return found.problem
    return await answerCluster(options, question.method, found.hash, parts.slice(2))
  }
}

async function answerCluster(
  options: AdminApiOptions,
  method: string,
  cluster: string,
  rest: readonly string[],
): Promise<HttpAnswer> {
  const { store } = options
  if (rest.length === 0) return method === 'DELETE' ? await forget(options, cluster, undefined) : WRONG_METHOD
  if (rest[0] !== 'affiliates' || rest.length > 2) return NOTHING_HERE
  const affiliateId = rest[1]
  if (affiliateId !== undefined)
    return method === 'DELETE' ? await forget(options, cluster, affiliateId) : WRONG_METHOD
  if (method !== 'GET') return WRONG_METHOD
  const affiliates: Affiliates | Refusal = await store.affiliatesOf(cluster)
  return 'kind' in affiliates ? UNAVAILABLE : jsonAnswer(200, listAffiliates(affiliates, store.now()))
}

async function forget(
  { store, onForget }: AdminApiOptions,
  cluster: string,
  affiliateId: string | undefined,
): Promise<HttpAnswer> {
  const affiliates: number | Refusal = await store.forget(cluster, affiliateId)
  if (typeof affiliates !== 'number') return UNAVAILABLE
  if (affiliates === 0 && affiliateId !== undefined) return problem(404, 'there is no such affiliate')
  onForget({ cluster, affiliates, affiliateId })
  return jsonAnswer(200, { cluster, affiliates } satisfies Forgotten)
}

function listClusters(summaries: readonly ClusterSummary[]): readonly ClusterView[] {
  const views = summaries.map(({ hash: cluster, affiliates, endpoints }) => ({
    cluster,
    affiliates,
    endpoints,
  }))
  return views.sort((a, b) => (a.cluster < b.cluster ? -1 : 1))
}

function listAffiliates(affiliates: Affiliates, now: number): readonly AffiliateView[] {
  const views = Array.from(affiliates.values(), ({ id, data, endpoints, expiresAt, refreshedAt }) => ({
    id,
    dataBytes: data.length,
    endpoints: endpoints.length,
    expiresInSeconds: Math.round((expiresAt - now) / 1000),
    refreshedSecondsAgo: refreshedAt === undefined ? null : Math.round((now - refreshedAt) / 1000),
  }))
  return views.sort((a, b) => (a.id < b.id ? -1 : 1))
}

function findCluster(
  summaries: readonly ClusterSummary[],
  name: string,
): ClusterSummary | { readonly problem: HttpAnswer } {
  if (!CLUSTER_NAME.test(name))
    return { problem: problem(400, 'a cluster is named by 8 to 64 hex digits of the SHA-256 of its id') }
  const found = summaries.filter(({ hash }) => hash.startsWith(name))
  if (found.length > 1) return { problem: problem(409, 'several clusters begin like this: give more digits') }
  return found[0] ?? { problem: problem(404, 'there is no such cluster') }
}

/** Compares hashes, so that the time it takes tells nothing. */
function isAuthorized({ authorization = '' }: HttpQuestion, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(authorization), digest(`Bearer ${token}`))
}

function pathParts(path: string): readonly string[] | undefined {
  try {
    return path.slice(1).split('/').map(decodeURIComponent)
  } catch {
    return undefined
  }
}

const problem = (status: number, error: string): HttpAnswer => jsonAnswer(status, { error })

const UNAUTHORIZED_HEADERS = { 'content-type': 'application/json', 'www-authenticate': 'Bearer' }
const UNAVAILABLE = problem(503, 'the store of the clusters cannot be reached')
const NOTHING_HERE = problem(404, 'there is nothing here')
const WRONG_METHOD = problem(405, 'this cannot be done here')
