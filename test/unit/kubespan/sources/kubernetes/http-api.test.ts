import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { stringify } from 'yaml'
import { ApiError, Redialled, type WatchEvent } from '../../../../../kubespan/sources/kubernetes/api.ts'
import { Credentials } from '../../../../../kubespan/sources/kubernetes/credentials.ts'
import {
  CREDENTIALS_LOOK_EVERY,
  HttpKubernetesApi,
  WATCH_SILENCE_MAX,
} from '../../../../../kubespan/sources/kubernetes/http-api.ts'
import { ANSWER_LIMIT } from '../../../../../kubespan/sources/kubernetes/http-call.ts'
import type { RawNode } from '../../../../../kubespan/sources/kubernetes/node-record.ts'
import { ManualClock } from '../../../../support/manual-clock.ts'

type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => unknown

/** An HTTP server on loopback that answers as the test says, and the API that talks to it. */
async function world(t: TestContext, handler: Handler) {
  const sockets = new Set<Socket>()
  const server = createServer((request, response) =>
    handler(request, response, new URL(request.url ?? '', 'http://x')),
  )
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const directory = await mkdtemp(join(tmpdir(), 'openspan-api-'))
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await rm(directory, { recursive: true })
  })
  const file = join(directory, 'kubeconfig')
  const { port } = server.address() as AddressInfo
  const write = async (path = '', token = 'secret'): Promise<void> => {
    const address = `http://127.0.0.1:${port}${path}`
    await writeFile(
      file,
      stringify({
        clusters: [{ name: 'c', cluster: { server: address } }],
        users: [{ name: 'u', user: { token } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    )
  }
  await write()
  const clock = new ManualClock()
  const api = new HttpKubernetesApi({
    credentials: new Credentials({
      access: { kind: 'kubeconfig', files: [file], context: undefined },
      environment: {},
    }),
    clock,
    random: () => 0.5,
    userAgent: 'kubespan/test',
  })
  return { api, clock, write, server, sockets, signal: new AbortController().signal }
}
const node = (name: string, resourceVersion = '7'): RawNode => ({ metadata: { name, resourceVersion } })
const refused = (status: number) => (error: unknown) => error instanceof ApiError && error.status === status

test('a list comes page by page', async (t) => {
  const asked: string[] = []
  const { api, signal } = await world(t, (request, response, url) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
    const isFirst = url.searchParams.get('continue') === null
    response.end(
      JSON.stringify({
        items: [node(isFirst ? 'a' : 'b')],
        metadata: { resourceVersion: '9', ...(isFirst && { continue: 'to k' }) },
      }),
    )
  })
  const { items, resourceVersion } = await api.listNodes(signal)
  assert.deepEqual(
    items.map(({ metadata }) => metadata?.name),
    ['a', 'b'],
  )
  assert.equal(resourceVersion, '9')
  assert.deepEqual(asked, [
    'GET /api/v1/nodes?limit=100 Bearer secret',
    'GET /api/v1/nodes?limit=100&continue=to+k Bearer secret',
  ])
})

test('single requests: a Node, a patch of its annotations, the slice; a server may live under a path', async (t) => {
  const asked: string[] = []
  const { api, signal, write } = await world(t, async (request, response) => {
    const body = (await request.toArray()).join('')
    asked.push(`${request.method} ${request.url} ${request.headers['content-type'] ?? ''}${body}`)
    response.end(JSON.stringify(node('a')))
  })
  await write('/cluster/')
  assert.deepEqual(await api.node('a/b', signal), node('a'))
  await api.annotate('a', { metadata: { annotations: { k: null } } }, signal)
  await api.apiServers(signal)
  assert.deepEqual(asked, [
    'GET /cluster/api/v1/nodes/a%2Fb ',
    'PATCH /cluster/api/v1/nodes/a application/merge-patch+json{"metadata":{"annotations":{"k":null}}}',
    'GET /cluster/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes ',
  ])
  assert.equal((await api.via()).pathname, '/cluster')
})

test('a refusal carries the words of the API server, and how long to stay away', async (t) => {
  let answer: [number, string] = [0, '']
  const { api, signal } = await world(t, (_, response) => {
    response.writeHead(answer[0], { 'retry-after': '7' }).end(answer[1])
  })
  answer = [403, JSON.stringify({ kind: 'Status', message: 'nodes is forbidden' })]
  await assert.rejects(api.listNodes(signal), (error: ApiError) => {
    assert.deepEqual([error.status, error.retryAfter], [403, 7000])
    assert.equal(error.message, 'HTTP 403: nodes is forbidden')
    return true
  })
  answer = [502, '<html>']
  await assert.rejects(api.node('a', signal), { message: 'HTTP 502' })
  answer = [401, '']
  await assert.rejects(api.node('a', signal), refused(401))
})

const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`

test('a watch: changes, bookmarks, what came after us, and the end', async (t) => {
  let asked = ''
  const { api, signal, clock } = await world(t, (request, response) => {
    asked = request.url ?? ''
    response.write(line('ADDED', node('a', '8')) + line('MODIFIED', node('a', '9')))
    response.write(line('BOOKMARK', node('', '10')) + line('SOMETHING', {}))
    response.end(line('DELETED', node('a', '11')))
  })
  const events: WatchEvent<RawNode>[] = []
  for await (const event of await api.watchNodes('7', signal)) events.push(event)
  assert.deepEqual(events, [
    { kind: 'set', object: node('a', '8'), resourceVersion: '8' },
    { kind: 'set', object: node('a', '9'), resourceVersion: '9' },
    { kind: 'bookmark', resourceVersion: '10' },
    { kind: 'deleted', object: node('a', '11'), resourceVersion: '11' },
  ])
  assert.equal(asked, '/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=360')
  assert.equal(clock.armed, 0)
})

test('the slice is watched by its name', async (t) => {
  let asked = ''
  const { api, signal } = await world(t, (request, response) => {
    asked = request.url ?? ''
    response.end()
  })
  for await (const _event of await api.watchApiServers('7', signal)) assert.fail()
  assert.match(asked, /endpointslices\?fieldSelector=metadata\.name%3Dkubernetes&watch=1/)
})

test('a watch from too long ago is refused at its beginning or in its middle', async (t) => {
  let atOnce = true
  const { api, signal } = await world(t, (_, response) => {
    if (atOnce) response.writeHead(410).end('{}')
    else response.end(line('ERROR', { kind: 'Status', code: 410, message: 'too old resource version' }))
  })
  await assert.rejects(api.watchNodes('1', signal), refused(410))
  atOnce = false
  const events = await api.watchNodes('1', signal)
  await assert.rejects(async () => {
    for await (const _event of events) assert.fail()
  }, refused(410))
})

/** Reads a watch in the background. */
function reading(events: AsyncIterable<WatchEvent<RawNode>>) {
  const seen: string[] = []
  const ended = (async () => {
    for await (const event of events) seen.push(event.kind)
  })().then(
    () => undefined,
    (error: unknown) => error,
  )
  return { seen, ended }
}
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what() && tries < 100_000; tries++) await turn()
  assert.ok(what())
}

test('a watch that has gone silent is given up; one with bookmarks is not', async (t) => {
  let write = (_text: string): unknown => undefined
  const { api, signal, clock, sockets } = await world(t, (_, response) => {
    write = (text) => response.write(text)
    response.flushHeaders()
  })
  const { seen, ended } = reading(await api.watchNodes('1', signal))
  await clock.advance(WATCH_SILENCE_MAX - CREDENTIALS_LOOK_EVERY)
  write(line('BOOKMARK', node('', '2')))
  await until(() => seen.length === 1)
  for (let at = 0; at < WATCH_SILENCE_MAX; at += CREDENTIALS_LOOK_EVERY) {
    await until(() => clock.armed === 1)
    await clock.advance(CREDENTIALS_LOOK_EVERY)
  }
  assert.match(String(await ended), /the watch has gone silent/)
  await until(() => sockets.size === 0)
  assert.equal(clock.armed, 0)
})

test('what is under way ends when it is to go over another connection', async (t) => {
  let mayOpen = true
  const { api, signal, clock, sockets } = await world(t, (_, response) => {
    if (mayOpen) response.flushHeaders()
  })
  const { ended } = reading(await api.watchNodes('1', signal))
  mayOpen = false
  const waiting = [
    api.watchApiServers('1', signal),
    api.listNodes(signal),
    api.annotate('box', { metadata: { annotations: {} } }, signal),
  ].map((asked: Promise<unknown>) => asked.catch((error: unknown) => error))
  await until(() => sockets.size === 4)
  api.redial()
  for (const error of [await ended, ...(await Promise.all(waiting))])
    assert.ok(error instanceof Redialled, String(error))
  await until(() => sockets.size === 0)
  assert.equal(clock.armed, 0)
  mayOpen = true
  const again = reading(await api.watchNodes('1', signal))
  api.redial()
  assert.ok((await again.ended) instanceof Redialled)
})

test('credentials that lead elsewhere end the watch with a new beginning, another token does not', async (t) => {
  const { api, signal, clock, write } = await world(t, (_, response) => response.flushHeaders())
  const { ended } = reading(await api.watchNodes('1', signal))
  let isOver = false
  void ended.then(() => {
    isOver = true
  })
  await write('', 'rotated')
  await clock.advance(CREDENTIALS_LOOK_EVERY)
  await until(() => clock.armed === 1)
  assert.equal(isOver, false)
  await write('/elsewhere')
  await clock.advance(CREDENTIALS_LOOK_EVERY)
  const error = await ended
  assert.ok(refused(410)(error), String(error))
})

test('a token that rotates is used by the next request', async (t) => {
  const tokens: (string | undefined)[] = []
  const { api, signal, write } = await world(t, (request, response) => {
    tokens.push(request.headers.authorization)
    response.end('{}')
  })
  await api.node('a', signal)
  await write('', 'rotated')
  await api.node('a', signal)
  assert.deepEqual(tokens, ['Bearer secret', 'Bearer rotated'])
})

test('a server that does not answer is not waited for', async (t) => {
  const { api, signal, clock, sockets } = await world(t, () => {})
  const watched = api.watchNodes('1', signal).catch((error: unknown) => error)
  const listed = api.listNodes(signal).catch((error: unknown) => error)
  await until(() => sockets.size === 2)
  await clock.advance(ANSWER_LIMIT)
  assert.match(String(await watched), /no answer from 127\.0\.0\.1:\d+ within 30 s/)
  assert.match(String(await listed), /within 30 s|longer than 30 s/)
  await until(() => sockets.size === 0)
})

test('cancelling closes everything', async (t) => {
  const stop = new AbortController()
  const { api, clock, sockets } = await world(t, (_, response) => response.flushHeaders())
  const { ended } = reading(await api.watchNodes('1', stop.signal))
  stop.abort()
  assert.ok((await ended) instanceof Error)
  await until(() => sockets.size === 0 && clock.armed === 0)
})

test('a port where nobody listens is an error at once', async (t) => {
  const { api, signal, clock, server } = await world(t, () => {})
  server.close()
  await once(server, 'close')
  await assert.rejects(api.node('a', signal), /ECONNREFUSED/)
  await until(() => clock.armed === 0)
})
