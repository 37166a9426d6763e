import type { Clock, Instant, Milliseconds } from '../../shared/clock.ts'
import { formatDuration } from '../../shared/duration.ts'
import { type HttpAnswer, type HttpHandler, plainAnswer } from '../../shared/http.ts'
import type { Affiliate } from '../state/affiliate.ts'
import type { Affiliates } from '../state/clusters.ts'
import { andThen, type RunningStore, type Soon } from '../store/store.ts'
import { CLUSTER_ID_MAX_BYTES } from '../validation/limits.ts'
import type { Refusal } from '../validation/refusal.ts'
import { type Html, html, PAGE_HEADERS, pageFrame } from './templates.ts'

export interface PagesOptions {
  readonly store: Pick<RunningStore, 'list' | 'now' | 'countAffiliates'>
  readonly clock: Clock
  /** Of a cluster that is not served nothing is shown. */
  readonly isServed: (clusterId: string) => boolean
  /** /stats is counted anew at most this often. */
  readonly statsInterval: Milliseconds
}

/** The pages of the service (SPEC 1.9), the same on every listener that has pages. Looking changes nothing. */
export function makePages(options: PagesOptions): HttpHandler {
  const stats = new Stats(options)
  return ({ path, query }) => {
    switch (path) {
      case '/':
        return landing
      case '/index.html':
        return { status: 301, headers: { location: './' }, body: '' }
      case '/inspect':
        return inspect(query.get('clusterID') ?? '', options)
      case '/stats':
        return stats.answer()
      default:
        return plainAnswer(404, 'there is no such page')
    }
  }
}

/** The store does not answer. */
const UNAVAILABLE = plainAnswer(503, 'the store of the clusters cannot be reached')

const page = (status: number, title: string, content: Html): HttpAnswer => {
  const { start, end } = pageFrame(title)
  return { status, headers: PAGE_HEADERS, body: start + content.text + end }
}

const landing = page(
  200,
  'Discovery service',
  html`<h1>Discovery service</h1>
<p class="lead">Nodes of a cluster find each other here.</p>
<p>Each node leaves a short description of itself and the endpoints it may be reached at, and is told what the other
nodes of its cluster have left. Nothing more: traffic between nodes never passes through this service.</p>
<h2>What the service knows</h2>
<ul>
<li>Descriptions and endpoints are encrypted by the nodes. The key is the secret of the cluster, which never comes here.</li>
<li>It sees the id of the cluster, the ids of its nodes, how much data there is, and the addresses that connections come from.</li>
<li>What is not renewed is forgotten, after half an hour at most.</li>
</ul>
<p><a href="./inspect">Look at what is stored for a cluster</a> whose id you know.</p>
`,
)

function inspect(clusterId: string, { store, isServed }: PagesOptions): Soon<HttpAnswer> {
  if (clusterId === '') return page(200, 'Inspect a cluster', inspectForm(''))
  if (Buffer.byteLength(clusterId) > CLUSTER_ID_MAX_BYTES)
    return page(400, 'Inspect a cluster', html`${inspectForm('')}<p>This cluster ID is too long.</p>\n`)
  return andThen<Affiliates | Refusal, HttpAnswer>(
    isServed(clusterId) ? store.list(clusterId) : NONE,
    (found) => {
      if ('kind' in found) return UNAVAILABLE
      // Values do not change, so the page may be made while its reader takes it.
      const affiliates = [...found.values()]
      return { status: 200, headers: PAGE_HEADERS, body: inspectPage(clusterId, affiliates, store.now()) }
    },
  )
}

const NONE: Affiliates = new Map()

const inspectForm = (clusterId: string): Html => html`<h1>Inspect a cluster</h1>
<p class="soft">What is shown is what is stored: text that only the nodes of the cluster can read.</p>
<label for="id">Cluster ID</label>
<form method="get" action="inspect">
<input id="id" name="clusterID" value="${clusterId}" autocomplete="off" spellcheck="false" required>
<button>Show</button>
</form>
`

function* inspectPage(clusterId: string, affiliates: readonly Affiliate[], now: Instant): Generator<string> {
  const { start, end } = pageFrame('Inspect a cluster')
  yield start + inspectForm(clusterId).text
  yield html`<h2>Cluster ${clusterId}</h2>\n`.text
  if (affiliates.length === 0) yield '<p>No Affiliate data found</p>\n'
  for (const affiliate of affiliates) yield affiliateCard(affiliate, now).text
  yield end
}

const affiliateCard = ({ id, data, endpoints, expiresAt }: Affiliate, now: Instant): Html => html`<article>
<h3><code>${id}</code></h3>
<dl>
<dt>Expires</dt><dd>${expiryText(expiresAt, now)}</dd>
<dt>Data, ${data.length} bytes</dt><dd class="hex">${data.toString('hex')}</dd>
<dt>Endpoints, ${endpoints.length}</dt>
${endpoints.map(({ bytes }) => html`<dd class="hex">${bytes.toString('hex')}</dd>\n`)}</dl>
</article>
`

const expiryText = (expiresAt: Instant, now: Instant): string =>
  expiresAt < now ? 'now' : `in ${formatDuration(Math.ceil((expiresAt - now) / 1000) * 1000)}`

/** How many affiliates there are, for a public counter on a web site; stale on purpose, so that nobody can watch a cluster come up. */
class Stats {
  readonly #options: PagesOptions
  #countedAt: Instant | undefined
  #affiliates = 0

  constructor(options: PagesOptions) {
    this.#options = options
  }

  answer(): Soon<HttpAnswer> {
    const { clock, store, statsInterval } = this.#options
    const now = clock.now()
    if (this.#countedAt !== undefined && now - this.#countedAt < statsInterval) return this.#page()
    return andThen<number | Refusal, HttpAnswer>(store.countAffiliates(), (counted) => {
      if (typeof counted !== 'number') return UNAVAILABLE
      this.#countedAt = now
      this.#affiliates = counted
      return this.#page()
    })
  }

  #page(): HttpAnswer {
    return {
      status: 200,
      headers: { 'content-type': 'application/json', 'access-control-allow-origin': '*' },
      body: `${JSON.stringify({ affiliates: this.#affiliates })}\n`,
    }
  }
}
