import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import type { Refusal } from '../../../../discovery/validation/refusal.ts'
import { makePages } from '../../../../discovery/web/pages.ts'
import { type HttpAnswer, type HttpHandler, questionOf } from '../../../../shared/http.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

interface Site {
  readonly clusters: Clusters
  readonly clock: ManualClock
  readonly get: (target: string) => Promise<HttpAnswer & { readonly text: string }>
}

function site(isServed = (_clusterId: string): boolean => true): Site {
  const clusters = new Clusters()
  const clock = new ManualClock()
  const store = new MemoryStore(clusters, clock)
  const pages: HttpHandler = makePages({ store, clock, isServed, statsInterval: 3_600_000 })
  return {
    clusters,
    clock,
    get: async (target) => {
      const answer = await pages(questionOf('GET', target))
      return { ...answer, text: typeof answer.body === 'string' ? answer.body : [...answer.body].join('') }
    },
  }
}

const update = (data: string, ...endpoints: readonly string[]) => ({
  data: Buffer.from(data),
  endpoints: endpoints.map((endpoint) => Buffer.from(endpoint)),
  expiresAt: 60_000,
})

test('the landing page leads to the inspection; other names lead nowhere', async () => {
  const { get } = site()
  const landing = await get('/')
  assert.equal(landing.status, 200)
  assert.match(landing.headers['content-type'] ?? '', /^text\/html/)
  assert.match(landing.text, /href="\.\/inspect"/)
  const index = await get('/index.html')
  assert.deepEqual([index.status, index.headers.location], [301, './'])
  for (const path of ['/nothing', '/stats/', '/inspect/', '', '//'])
    assert.equal((await get(path)).status, 404, path)
})

test('pages load nothing, and do not pass their address on', async () => {
  const { get } = site()
  const { headers, text } = await get('/inspect?clusterID=x')
  assert.match(headers['content-security-policy'] ?? '', /^default-src 'none'; style-src 'sha256-/)
  assert.equal(headers['referrer-policy'], 'no-referrer')
  assert.equal(headers['cache-control'], 'no-store')
  assert.doesNotMatch(text, /https?:|<script|src=/)
})

test('without a cluster there is only the form', async () => {
  const { get } = site()
  const { text } = await get('/inspect')
  assert.match(text, /name="clusterID"/)
  assert.doesNotMatch(text, /No Affiliate data found|<h2>/)
})

test('a cluster that nobody wrote to has no data, and looking does not make it', async () => {
  const { get, clusters } = site()
  assert.match(
    (await get('/inspect?clusterID=abc')).text,
    /<h2>Cluster abc<\/h2>\n<p>No Affiliate data found<\/p>/,
  )
  assert.equal(clusters.counts.clusters, 0)
})

test('what is stored is shown in hex', async () => {
  const { get, clusters, clock } = site()
  clusters.update('abc', 'node-1', update('hi', 'e1', 'e2'))
  clusters.update('abc', 'node-2', update(''))
  const { text } = await get('/inspect?clusterID=abc')
  assert.match(text, /<code>node-1<\/code>.*in 1m.*2 bytes.*>6869<.*Endpoints, 2.*>6531<.*>6532</s)
  assert.match(text, /<code>node-2<\/code>/)
  assert.doesNotMatch(text, /No Affiliate/)
  await clock.advance(60_001)
  assert.match((await get('/inspect?clusterID=abc')).text, /<dd>now<\/dd>/)
})

test('ids are text, not markup', async () => {
  const { get, clusters } = site()
  const evil = `"><script>alert('&')</script>`
  clusters.update(evil, evil, update('x'))
  const { text } = await get(`/inspect?clusterID=${encodeURIComponent(evil)}`)
  assert.doesNotMatch(text, /<script>/)
  assert.equal(text.split('&quot;&gt;&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;').length, 4)
})

test('an id that is too long is not looked for', async () => {
  const { get } = site()
  const answer = await get(`/inspect?clusterID=${'é'.repeat(129)}`)
  assert.equal(answer.status, 400)
  assert.match(answer.text, /too long/)
  assert.equal((await get(`/inspect?clusterID=${'x'.repeat(256)}`)).status, 200)
})

test('affiliates are counted once an hour, for everybody', async () => {
  const { get, clusters, clock } = site()
  const first = await get('/stats')
  assert.equal(first.headers['access-control-allow-origin'], '*')
  assert.equal(first.headers['content-type'], 'application/json')
  assert.deepEqual(JSON.parse(first.text), { affiliates: 0 })
  clusters.update('abc', 'a', update('x'))
  await clock.advance(3_599_999)
  assert.deepEqual(JSON.parse((await get('/stats')).text), { affiliates: 0 })
  await clock.advance(1)
  assert.deepEqual(JSON.parse((await get('/stats')).text), { affiliates: 1 })
})

test('of a cluster that is not served nothing is shown', async () => {
  const { clusters, get } = site((clusterId) => clusterId === 'ours')
  for (const clusterId of ['ours', 'other']) clusters.update(clusterId, 'node', update('x'))
  assert.match((await get('/inspect?clusterID=ours')).text, /<code>node/)
  assert.match((await get('/inspect?clusterID=other')).text, /No Affiliate data found/)
})

test('a store that cannot be reached is said, and nothing is made up', async () => {
  const clock = new ManualClock()
  const unavailable = async (): Promise<Refusal> => ({ kind: 'unavailable' })
  const store = { now: () => 0, list: unavailable, countAffiliates: unavailable }
  const pages = makePages({ store, clock, isServed: () => true, statsInterval: 1000 })
  for (const path of ['/inspect?clusterID=abc', '/stats'])
    assert.equal((await pages(questionOf('GET', path))).status, 503, path)
})
