import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { Listener, type ListenerOptions } from '../../discovery/transport/listener.ts'
import { systemClock } from '../../shared/clock.ts'
import { plainAnswer } from '../../shared/http.ts'

interface Started {
  readonly listener: Listener
  readonly reloads: string[]
}

async function start(over: Partial<ListenerOptions>): Promise<Started> {
  const reloads: string[] = []
  const listener = await Listener.listen({
    at: { host: '127.0.0.1', port: 0 },
    certificate: undefined,
    onCall: (stream) => stream.respond({ ':status': 200 }, { endStream: true }),
    pages: ({ path }) => plainAnswer(200, path),
    clock: systemClock,
    reports: {
      certificateReloaded: () => reloads.push('reloaded'),
      certificateKept: () => reloads.push('kept'),
      failed: (error) => assert.fail(String(error)),
    },
    liveness: { idle: 30_000, answer: 20_000 },
    ...over,
  })
  return { listener, reloads }
}

/** The name in the certificate that a new connection is shown. */
async function shownName(port: number): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { raw } = socket.getPeerCertificate()
  socket.destroy()
  return new X509Certificate(raw).subject
}

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await what())) {
    assert.ok(performance.now() < deadline, 'it never came so far')
    await sleep(20)
  }
}

const pair = (name: string, directory: string): Promise<unknown> =>
  Promise.all(
    ['crt', 'key'].map((kind) =>
      copyFile(`test/support/tls/${name}.${kind}`, join(directory, `tls.${kind}`)),
    ),
  )

for (const [how, certificatePoll] of [
  ['events', 3_600_000],
  ['polling', 200],
] as const)
  test(`a certificate mounted as Kubernetes does it is replaced while connections live (${how})`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'certificate-'))
    await mkdir(join(directory, '..one'))
    await pair('one', join(directory, '..one'))
    await symlink('..one', join(directory, '..data'))
    for (const kind of ['crt', 'key']) await symlink(`..data/tls.${kind}`, join(directory, `tls.${kind}`))
    const certificate = { certPath: join(directory, 'tls.crt'), keyPath: join(directory, 'tls.key') }
    const { listener, reloads } = await start({ certificate, certificatePoll })
    assert.match(await shownName(listener.port), /test one/)
    const session = connectHttp2(`https://127.0.0.1:${listener.port}`, { rejectUnauthorized: false })
    await once(session, 'remoteSettings')

    await mkdir(join(directory, '..two'))
    await pair('two', join(directory, '..two'))
    await symlink('..two', join(directory, '..data_tmp'))
    await rename(join(directory, '..data_tmp'), join(directory, '..data'))
    await until(() => reloads.includes('reloaded'))
    assert.match(await shownName(listener.port), /test two/)

    const stream = session.request({ ':method': 'POST', 'content-type': 'application/grpc' })
    const [headers] = await once(stream, 'response')
    assert.equal(headers[':status'], 200, 'the old connection goes on')
    session.destroy()
    await listener.close(100)
    await rm(directory, { recursive: true })
  })

test('a pair that does not fit keeps the old one until it does', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'certificate-'))
  await pair('one', directory)
  const certificate = { certPath: join(directory, 'tls.crt'), keyPath: join(directory, 'tls.key') }
  const { listener, reloads } = await start({ certificate, certificatePoll: 200 })
  await writeFile(certificate.certPath, 'garbage')
  await until(() => reloads.includes('kept'))
  assert.match(await shownName(listener.port), /test one/)
  await copyFile('test/support/tls/two.crt', certificate.certPath)
  await sleep(300)
  assert.match(await shownName(listener.port), /test one/)
  await copyFile('test/support/tls/two.key', certificate.keyPath)
  await until(() => reloads.includes('reloaded'))
  assert.match(await shownName(listener.port), /test two/)
  await listener.close(100)
  await rm(directory, { recursive: true })
})

test('silent and slow connections are closed in real time, with TLS and without', async () => {
  const certificate = { certPath: 'test/support/tls/one.crt', keyPath: 'test/support/tls/one.key' }
  const ca = await readFile(certificate.certPath)
  for (const over of [{}, { certificate }]) {
    const { listener } = await start({ ...over, headTimeout: 300 })
    const startedAt = performance.now()
    const silent = connect(listener.port, '127.0.0.1')
    const slow =
      'certificate' in over
        ? connectTls({ port: listener.port, ca, servername: 'localhost' })
        : connect(listener.port, '127.0.0.1')
    slow.write('GET / HTTP/1.1\r\nx-slow: ')
    const drip = setInterval(() => slow.write('a'), 50)
    for (const socket of [silent, slow]) socket.on('error', () => {}).resume()
    await Promise.all([silent, slow].map((socket) => new Promise((closed) => socket.on('close', closed))))
    clearInterval(drip)
    assert.ok(performance.now() - startedAt < 2_000)
    await until(() => listener.connections === 0)
    await listener.close(0)
  }
})

test('pings without pause are all answered', async () => {
  const { listener } = await start({})
  const session = connectHttp2(`http://127.0.0.1:${listener.port}`)
  await once(session, 'remoteSettings')
  for (let n = 0; n < 500; n++)
    await new Promise<void>((done, failed) => {
      session.ping((error) => (error === null ? done() : failed(error)))
    })
  session.destroy()
  await listener.close(100)
})
