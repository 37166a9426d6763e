import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeAdminApi } from '../../../../discovery/admin/api.ts'
import { type AdminDefaults, runAdmin } from '../../../../discovery/admin/command.ts'
import { parseToken } from '../../../../discovery/admin/token.ts'
import { Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import { type HttpHandler, HttpListener, plainAnswer } from '../../../../shared/http.ts'
import { ManualClock } from '../../../support/manual-clock.ts'

const TOKEN = 'a token of some length'
const CLUSTER = createHash('sha256').update('one').digest('hex')

async function run(
  words: readonly string[],
  defaults: Partial<AdminDefaults> = {},
  environment: Record<string, string> = {},
): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', '']
  const status = await runAdmin(
    words,
    { adminAddr: null, adminTokenFile: '', ...defaults },
    {
      environment,
      readFile: (path) => {
        if (path !== 'token') throw new Error(`ENOENT: ${path}`)
        return Buffer.from(`${TOKEN}\n`)
      },
      print: (text) => {
        out += text
      },
      complain: (text) => {
        err += text
      },
    },
  )
  return { status, out, err }
}

async function withService(run: (at: AdminDefaults, clusters: Clusters) => Promise<void>): Promise<void> {
  const clusters = new Clusters()
  const update = { data: Buffer.from('data'), endpoints: [], expiresAt: 90_000 }
  clusters.update('one', 'a', { ...update, receivedAt: -65_000 })
  clusters.update('one', 'evil\u001b[2J\nid', update)
  const api = makeAdminApi({
    store: new MemoryStore(clusters, new ManualClock()),
    token: () => TOKEN,
    onForget: () => {},
  })
  await using listener = await HttpListener.listen({ host: '127.0.0.1', port: 0 }, api, () => {})
  await run({ adminAddr: { host: '127.0.0.1', port: listener.port }, adminTokenFile: 'token' }, clusters)
}

test('list, look, forget', () =>
  withService(async (at, clusters) => {
    assert.deepEqual(await run(['clusters'], at), {
      status: 0,
      out: `CLUSTER           AFFILIATES  ENDPOINTS\n${CLUSTER.slice(0, 16)}  2           0\n`,
      err: '',
    })
    const { out } = await run(['affiliates', CLUSTER.slice(0, 8)], at)
    assert.equal(
      out,
      'AFFILIATE    DATA  ENDPOINTS  REFRESHED     EXPIRES IN\na            4 B   0          1m5s ago      1m30s\nevil?[2J?id  4 B   0          before start  1m30s\n',
    )
    assert.equal((await run(['forget', CLUSTER, 'a'], at)).out, '1 affiliates forgotten\n')
    assert.equal(clusters.affiliatesOf('one').has('a'), false)
    assert.equal((await run(['forget', CLUSTER], at)).out, '1 affiliates forgotten\n')
    assert.equal((await run(['-output=json', 'clusters'], at)).out, '[]\n')
    const gone = await run(['forget', CLUSTER], at)
    assert.deepEqual([gone.status, gone.err], [1, 'discovery-service admin: there is no such cluster\n'])
  }))

test('where the service is can be said by flag, variable, or the flags of the service', () =>
  withService(async ({ adminAddr }) => {
    assert.ok(adminAddr !== null && 'port' in adminAddr)
    const addr = `127.0.0.1:${adminAddr.port}`
    assert.equal((await run(['-addr', addr, '-token-file', 'token', 'clusters'])).status, 0)
    const environment = { DISCOVERY_ADMIN_ADDR: addr, DISCOVERY_ADMIN_TOKEN_FILE: 'token' }
    assert.equal((await run(['clusters'], {}, environment)).status, 0)
    const { status, err } = await run(['-addr', addr, 'clusters'])
    assert.deepEqual([status, err], [1, 'discovery-service admin: the token is missing or wrong\n'])
  }))

test('mistakes are told, with status 2', async () => {
  const at = { adminAddr: { host: '127.0.0.1', port: 1 } }
  assert.match((await run(['clusters'])).err, /-addr: say where/)
  for (const words of [
    [],
    ['frobnicate'],
    ['clusters', 'x'],
    ['affiliates'],
    ['forget'],
    ['forget', 'a', 'b', 'c'],
    ['x', 'y'],
  ])
    assert.deepEqual((await run(words, at)).status, 2, words.join(' '))
  assert.match((await run(['-addr', 'x', 'clusters'])).err, /-addr: "x" is not an address/)
  assert.match((await run(['-help'])).out, /Usage: discovery-service admin.*forget CLUSTER/s)
})

test('what cannot be reached, read or understood is told, with status 1', async () => {
  const nobody = { adminAddr: { path: '/nonexistent/admin.sock' } }
  assert.match((await run(['clusters'], nobody)).err, /ENOENT/)
  assert.match((await run(['clusters'], { ...nobody, adminTokenFile: 'missing' })).err, /ENOENT: missing/)
  const other: HttpHandler = () => plainAnswer(500, 'something else')
  const directory = await mkdtemp(join(tmpdir(), 'admin-'))
  {
    const at = { path: join(directory, 'a.sock') }
    await using _listener = await HttpListener.listen(at, other, () => {})
    assert.match((await run(['clusters'], { adminAddr: at })).err, /status 500/)
  }
  await rm(directory, { recursive: true })
})

test('a token is what the file holds, and is not too short', () => {
  assert.equal(parseToken([Buffer.from(`  ${TOKEN}\n`)]), TOKEN)
  assert.throws(() => parseToken([Buffer.from('short')]), /16 characters/)
})
