import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  askHandler,
  type HttpHandler,
  HttpListener,
  jsonAnswer,
  plainAnswer,
  questionOf,
} from '../../../shared/http.ts'

const ANYWHERE = { host: '127.0.0.1', port: 0 }
const unexpected = (error: unknown): void => assert.fail(String(error))

test('a target becomes path and query; what is no path is the empty one', () => {
  const question = questionOf('GET', '/inspect?clusterID=a%26b&x', 'Bearer t')
  assert.equal(question.path, '/inspect')
  assert.equal(question.query.get('clusterID'), 'a&b')
  assert.equal(question.authorization, 'Bearer t')
  assert.equal(questionOf('OPTIONS', '*').path, '')
  assert.equal(questionOf('GET', 'http://else/where').path, '')
  assert.equal(questionOf('GET', '//two/slashes').path, '//two/slashes')
})

test('a handler that fails is a 500 that tells nothing', async () => {
  const failures: unknown[] = []
  const broken: HttpHandler = () => {
    throw new Error('secret')
  }
  const answer = await askHandler(broken, questionOf('GET', '/'), (error) => failures.push(error))
  assert.deepEqual([answer.status, answer.body], [500, 'internal error\n'])
  assert.equal(failures.length, 1)
})

test('answers arrive, whole or in pieces; HEAD has no body', async () => {
  const handler: HttpHandler = ({ path, authorization }) => {
    if (path === '/pieces')
      return {
        status: 200,
        headers: {},
        body: (function* () {
          for (let n = 0; n < 1000; n++) yield `${'x'.repeat(1000)}\n`
        })(),
      }
    return path === '/json' ? jsonAnswer(200, { a: 1 }) : plainAnswer(404, `no page ${authorization ?? ''}`)
  }
  await using listener = await HttpListener.listen(ANYWHERE, handler, unexpected)
  const at = `http://127.0.0.1:${listener.port}`
  const json = await fetch(`${at}/json`)
  assert.equal(json.headers.get('content-type'), 'application/json')
  assert.deepEqual(await json.json(), { a: 1 })
  const missing = await fetch(`${at}/missing`, { headers: { authorization: 'Bearer t' } })
  assert.deepEqual([missing.status, await missing.text()], [404, 'no page Bearer t\n'])
  assert.equal((await (await fetch(`${at}/pieces`)).text()).length, 1_001_000)
  for (const path of ['/json', '/pieces']) {
    const head = await fetch(`${at}${path}`, { method: 'HEAD' })
    assert.deepEqual([head.status, await head.text()], [200, ''])
  }
})

test('a body that fails half way ends the connection, not the process', async () => {
  const failures: unknown[] = []
  const handler: HttpHandler = () => ({
    status: 200,
    headers: {},
    body: (function* () {
      yield 'start'
      throw new Error('half way')
    })(),
  })
  await using listener = await HttpListener.listen(ANYWHERE, handler, (error) => failures.push(error))
  await assert.rejects(fetch(`http://127.0.0.1:${listener.port}/`).then((response) => response.text()))
  assert.equal(failures.length, 1)
})

test('a port that is taken is an error; a unix socket is private, and a stale one is replaced', async () => {
  await using listener = await HttpListener.listen(ANYWHERE, () => plainAnswer(200, 'ok'), unexpected)
  const taken = { host: '127.0.0.1', port: listener.port }
  await assert.rejects(
    HttpListener.listen(taken, () => plainAnswer(200, ''), unexpected),
    /EADDRINUSE/,
  )
  const directory = await mkdtemp(join(tmpdir(), 'http-test-'))
  const path = join(directory, 'admin.sock')
  {
    await using first = await HttpListener.listen({ path }, () => plainAnswer(200, 'one'), unexpected)
    assert.equal(first.port, 0)
    await using _second = await HttpListener.listen({ path }, () => plainAnswer(200, 'two'), unexpected)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const text = await new Promise<string>((done) =>
      request({ socketPath: path, path: '/' }, (response) =>
        response.setEncoding('utf8').on('data', done),
      ).end(),
    )
    assert.equal(text, 'two\n')
  }
  await writeFile(path, 'not a socket')
  await assert.rejects(
    HttpListener.listen({ path }, () => plainAnswer(200, ''), unexpected),
    /EADDRINUSE/,
  )
  await rm(directory, { recursive: true })
})

test('a connection that never asks is closed, and closing does not wait for idle ones', async () => {
  const listener = await HttpListener.listen(ANYWHERE, () => plainAnswer(200, 'ok'), unexpected, 50)
  const silent = connect(listener.port, '127.0.0.1')
  await new Promise((closed) => silent.on('close', closed).resume())
  await fetch(`http://127.0.0.1:${listener.port}/`).then((response) => response.text())
  await listener[Symbol.asyncDispose]()
})
