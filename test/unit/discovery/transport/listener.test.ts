import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { type ClientHttp2Session, connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2'
import { type RequestOptions, request as requestTls } from 'node:https'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { Listener, type ListenerOptions } from '../../../../discovery/transport/listener.ts'
import { HTTP2_PREFACE } from '../../../../discovery/transport/preface.ts'
import { plainAnswer } from '../../../../shared/http.ts'
import { ManualClock, settle } from '../../../support/manual-clock.ts'

const CERTIFICATE = { certPath: 'test/support/tls/one.crt', keyPath: 'test/support/tls/one.key' }
const CA = readFileSync(CERTIFICATE.certPath)

const SETTINGS = Buffer.from('000000040000000000', 'hex')
const SETTINGS_CONFIRMED = Buffer.from('000000040100000000', 'hex')

/** Calls are answered with what they carried, after `release` where a test wants them to hang. */
async function start(
  over: Partial<ListenerOptions> = {},
): Promise<{ listener: Listener; clock: ManualClock }> {
  const clock = new ManualClock()
  const listener = await Listener.listen({
    at: { host: '127.0.0.1', port: 0 },
    certificate: undefined,
    onCall: (stream) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
      stream.on('data', (chunk) => stream.end(chunk))
    },
    pages: ({ method, path }) => {
      if (path === '/fails') throw new Error('inside')
      if (path === '/half') return { status: 200, headers: {}, body: halfABody() }
      if (path !== '/big') return plainAnswer(200, `${method} ${path}`)
      return { status: 200, headers: {}, body: Array.from({ length: 300 }, () => 'x'.repeat(10_000)) }
    },
    clock,
    reports: { certificateReloaded: () => {}, certificateKept: () => {}, failed: () => {} },
    liveness: { idle: 30_000, answer: 20_000 },
    ...over,
  })
  return { listener, clock }
}

function* halfABody(): Generator<string> {
  yield 'half'
  throw new Error('no other half')
}

const call = (
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string,
): Promise<{ headers: IncomingHttpHeaders; text: string }> =>
  new Promise((done, failed) => {
    const stream = session.request({ ':method': 'POST', ...headers })
    let received: IncomingHttpHeaders = {}
    let text = ''
    stream
      .on('response', (got) => {
        received = got
      })
      .setEncoding('utf8')
      .on('data', (chunk: string) => {
        text += chunk
      })
      .on('end', () => done({ headers: received, text }))
      .on('error', failed)
      .end(body)
  })

const GRPC = { ':path': '/service/Method', 'content-type': 'application/grpc+proto' }

const get = (options: RequestOptions, isTls = false): Promise<string> =>
  new Promise((done, failed) => {
    const ask = isTls ? requestTls : request
    ask(options, (response) => {
      let text = `${response.statusCode} ${response.headers.connection} `
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          text += chunk
        })
        .on('end', () => done(text))
    })
      .on('error', failed)
      .end()
  })

async function raw(port: number, ...words: readonly (string | Buffer)[]): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').resume()
  socket.on('error', () => {})
  await once(socket, 'connect')
  for (const word of words) socket.write(word)
  return socket
}

const closedOf = (socket: Socket | TLSSocket): Promise<unknown> =>
  socket.closed ? Promise.resolve() : new Promise((closed) => socket.on('close', closed))

/** Waits in turns of the event loop, not in time, until the server has come so far. */
async function until(what: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn++) {
    if (what()) return
    await settle()
  }
  assert.fail('it never came so far')
}

test('one plaintext port speaks gRPC, and pages over both HTTPs', async () => {
  const { listener } = await start()
  const port = String(listener.port)
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  const answer = await call(session, GRPC, 'echo')
  assert.deepEqual([answer.headers['content-type'], answer.text], ['application/grpc', 'echo'])
  const page = await call(session, { ':path': '/inspect?x=1' }, 'a body that nobody reads')
  assert.deepEqual([page.headers[':status'], page.text], [200, 'POST /inspect\n'])
  assert.equal((await call(session, { ':path': '/big', ':method': 'GET' })).text.length, 3_000_000)
  assert.deepEqual((await call(session, { ':path': '/x', ':method': 'HEAD' })).text, '')
  assert.equal((await call(session, { ':path': '/fails' })).headers[':status'], 500)
  await assert.rejects(call(session, { ':path': '/half' }))
  session.close()
  assert.equal(await get({ port, path: '/a' }), '200 close GET /a\n')
  await listener.close(1000)
  assert.equal(listener.connections, 0)
})

test('under TLS both are negotiated, and old TLS is refused', async () => {
  const { listener } = await start({ certificate: CERTIFICATE })
  const port = String(listener.port)
  const session = connectHttp2(`https://localhost:${port}`, { ca: CA })
  assert.equal((await call(session, GRPC, 'echo')).text, 'echo')
  session.close()
  assert.equal(await get({ host: 'localhost', port, path: '/a', ca: CA }, true), '200 close GET /a\n')
  const old = connectTls({ port: listener.port, ca: CA, minVersion: 'TLSv1', maxVersion: 'TLSv1.1' })
  await assert.rejects(once(old, 'secureConnect'))
  await listener.close(1000)
})

test('under TLS the client says which cipher it would rather have', async () => {
  const { listener } = await start({ certificate: CERTIFICATE })
  const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']
  for (const first of suites) {
    const ciphers = [first, ...suites.filter((other) => other !== first)].join(':')
    const socket = connectTls({ port: listener.port, ca: CA, ciphers, ALPNProtocols: ['h2'] })
    await once(socket, 'secureConnect')
    assert.equal(socket.getCipher().standardName, first)
    socket.destroy()
  }
  await listener.close(1000)
})

test('a client that does not say what it wants, or confirms nothing, is closed when its time is over', async () => {
  const beginnings = [
    [],
    ['GET / HTTP/1.1\r\nhost:'],
    ['PRI * HT'],
    [HTTP2_PREFACE],
    [HTTP2_PREFACE, SETTINGS],
  ]
  for (const words of beginnings) {
    const { listener, clock } = await start()
    const socket = await raw(listener.port, ...words)
    await until(() => listener.connections === 1)
    await clock.advance(9_999)
    assert.equal(listener.connections, 1)
    await clock.advance(1)
    await closedOf(socket)
    await until(() => listener.connections === 0)
    await listener.close(0)
    assert.equal(clock.armed, 0)
  }
})

test('a client that has said what it wants is not', async () => {
  const { listener, clock } = await start()
  const session = connectHttp2(`http://127.0.0.1:${listener.port}`)
  await once(session, 'remoteSettings')
  await call(session, GRPC, 'x')
  await clock.advance(25_000)
  assert.equal((await call(session, GRPC, 'still here')).text, 'still here')
  session.close()
  await listener.close(1000)
})

test('bytes of any size at the start make no difference', async () => {
  const { listener } = await start()
  const socket = await raw(listener.port)
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  for (const letter of 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n') {
    socket.write(letter)
    await settle()
  }
  await closedOf(socket)
  assert.match(text, /GET \/slow\n$/)
  await listener.close(0)
})

test('a silent session is pinged: one that answers stays, one that does not is closed', async () => {
  const { listener, clock } = await start()
  const session = connectHttp2(`http://127.0.0.1:${listener.port}`)
  await call(session, GRPC, 'x')
  const dead = await raw(listener.port, HTTP2_PREFACE, SETTINGS, SETTINGS_CONFIRMED)
  await until(() => listener.connections === 2)
  for (let step = 0; step < 16; step++) {
    await clock.advance(5_000)
    for (let turn = 0; turn < 50; turn++) await settle() // the answer travels
  }
  await closedOf(dead)
  await until(() => listener.connections === 1)
  assert.equal(listener.lostConnections, 1)
  assert.equal((await call(session, GRPC, 'alive')).text, 'alive')
  session.close()
  await listener.close(1000)
})

test('closing waits for calls in flight as long as it may, and for nobody else', async () => {
  const { listener, clock } = await start()
  const session = connectHttp2(`http://127.0.0.1:${listener.port}`)
  session.on('error', () => {})
  const stream = session.request({ ':method': 'POST', ...GRPC })
  stream.on('error', () => {})
  await once(stream, 'response')
  const idle = connectHttp2(`http://127.0.0.1:${listener.port}`)
  await once(idle, 'remoteSettings')
  const silent = await raw(listener.port)
  await until(() => listener.connections === 3)
  const closing = listener.close(5_000)
  await Promise.all([closedOf(silent), once(idle, 'close')])
  await until(() => listener.connections === 1)
  await assert.rejects(raw(listener.port), 'nobody new')
  stream.end('the end')
  stream.resume()
  await closing
  assert.equal(clock.armed, 0)
})

test('what does not end in time is cut', async () => {
  for (const certificate of [undefined, CERTIFICATE]) {
    const { listener, clock } = await start({ certificate })
    const scheme = certificate === undefined ? 'http' : 'https'
    const session = connectHttp2(`${scheme}://127.0.0.1:${listener.port}`, { ca: CA })
    session.on('error', () => {})
    const stream = session.request({ ':method': 'POST', ...GRPC })
    stream.on('error', () => {})
    await once(stream, 'response')
    const shaking = certificate === undefined ? undefined : await raw(listener.port)
    const closing = listener.close(5_000)
    await clock.advance(5_000)
    await closing
    await once(session, 'close')
    if (shaking !== undefined) await closedOf(shaking)
  }
})

test('what cannot be listened on, or not be loaded, is an error', async () => {
  await using first = (await start()).listener
  await assert.rejects(start({ at: { host: '127.0.0.1', port: first.port } }), /EADDRINUSE/)
  const certificate = { certPath: 'test/support/tls/one.crt', keyPath: 'test/support/tls/two.key' }
  await assert.rejects(start({ certificate }))
  await assert.rejects(start({ certificate: CERTIFICATE, at: { host: '127.0.0.1', port: first.port } }))
})
