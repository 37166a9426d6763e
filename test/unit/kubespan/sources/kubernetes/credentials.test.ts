import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AgentOptions } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { stringify } from 'yaml'
import type { KubernetesAccess } from '../../../../../kubespan/model/kubernetes.ts'
import { Credentials } from '../../../../../kubespan/sources/kubernetes/credentials.ts'
import { CredentialsError } from '../../../../../kubespan/sources/kubernetes/kubeconfig.ts'

const SECRET = 'token-that-nobody-may-see'

interface Said {
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly user?: Readonly<Record<string, unknown>> | undefined
  readonly change?: Readonly<Record<string, unknown>>
}

const kubeconfig = ({ cluster = {}, user = {}, change = {} }: Said = {}): string =>
  stringify({
    clusters: [
      { name: 'c', cluster: { server: 'https://192.0.2.1:6443', ...cluster } },
      { name: 'other', cluster: { server: 'https://192.0.2.2:6443' } },
    ],
    users: [{ name: 'u', user }],
    contexts: [
      { name: 'x', context: { cluster: 'c', user: 'u' } },
      { name: 'y', context: { cluster: 'other' } },
      { name: 'z', context: { cluster: 'nowhere' } },
    ],
    'current-context': 'x',
    ...change,
  })

async function place(t: TestContext, text: string | undefined) {
  const directory = await mkdtemp(join(tmpdir(), 'openspan-kubeconfig-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = join(directory, 'config')
  if (text !== undefined) await writeFile(file, text)
  const using = (context?: string, environment: Record<string, string> = {}): Credentials => {
    const access: KubernetesAccess = {
      kind: 'kubeconfig',
      files: [join(directory, 'none'), file],
      context,
    }
    return new Credentials({ access, environment })
  }
  return { directory, file, using }
}
const optionsOf = (agent: unknown): AgentOptions => (agent as { options: AgentOptions }).options

test('a token', async (t) => {
  const { using } = await place(t, kubeconfig({ user: { token: SECRET, as: 'somebody' } }))
  const { server, headers, via } = await using().connection()
  assert.equal(server.href, 'https://192.0.2.1:6443/')
  assert.equal(via, server)
  assert.deepEqual(headers, { Authorization: `Bearer ${SECRET}`, 'Impersonate-User': 'somebody' })
})

test('a token in a file beside the kubeconfig is read again every time', async (t) => {
  const { using, directory } = await place(t, kubeconfig({ user: { tokenFile: 'token' } }))
  const credentials = using()
  await writeFile(join(directory, 'token'), 'one\n')
  const first = await credentials.connection()
  await writeFile(join(directory, 'token'), 'two\n')
  const second = await credentials.connection()
  assert.equal(first.headers.Authorization, 'Bearer one')
  assert.equal(second.headers.Authorization, 'Bearer two')
  assert.equal(first.serverTag, second.serverTag)
})

test('name and password, a client certificate, and how the server is known', async (t) => {
  const { using, directory } = await place(
    t,
    kubeconfig({
      cluster: {
        'certificate-authority': 'ca.crt',
        'tls-server-name': 'api.example',
        'insecure-skip-tls-verify': true,
      },
      user: {
        username: 'u',
        password: 'p',
        'client-certificate': 'pki/crt',
        'client-key-data': Buffer.from('KEY').toString('base64'),
      },
    }),
  )
  await writeFile(join(directory, 'ca.crt'), 'CA')
  await mkdir(join(directory, 'pki'))
  await writeFile(join(directory, 'pki/crt'), 'CERT')
  const { agent, headers } = await using().connection()
  const { ca, cert, key, servername, rejectUnauthorized } = optionsOf(agent)
  assert.deepEqual([ca, cert, key].map(String), ['CA', 'CERT', 'KEY'])
  assert.deepEqual([servername, rejectUnauthorized], ['api.example', false])
  assert.equal(headers.Authorization, `Basic ${Buffer.from('u:p').toString('base64')}`)
})

test('another context, without a user', async (t) => {
  const { using } = await place(t, kubeconfig())
  const { server, headers } = await using('y').connection()
  assert.equal(server.host, '192.0.2.2:6443')
  assert.deepEqual(headers, {})
})

test('another server or authority is another server, another token is not', async (t) => {
  const { using, file } = await place(t, kubeconfig({ user: { token: 'a' } }))
  const credentials = using()
  const { serverTag } = await credentials.connection()
  await writeFile(file, kubeconfig({ user: { token: 'b' } }))
  assert.equal((await credentials.connection()).serverTag, serverTag)
  await writeFile(file, kubeconfig({ cluster: { 'certificate-authority-data': 'Q0E=' } }))
  assert.notEqual((await credentials.connection()).serverTag, serverTag)
})

test('a proxy is what connections go to', async (t) => {
  const { using } = await place(t, kubeconfig({ cluster: { 'proxy-url': 'http://proxy.example:3128' } }))
  const { via, agent } = await using().connection()
  assert.equal(via.host, 'proxy.example:3128')
  assert.ok('proxyEnv' in optionsOf(agent))
})

test('the proxy of the environment counts where the kubeconfig names none, and NO_PROXY does not exempt the server', async (t) => {
  const proxyOf = async (said: Said, environment: Record<string, string>): Promise<string | undefined> => {
    const { using } = await place(t, kubeconfig(said))
    const { server, via, agent } = await using(undefined, environment).connection()
    assert.equal('proxyEnv' in optionsOf(agent), via !== server)
    return via === server ? undefined : via.href
  }
  const HTTPS_PROXY = 'http://u:p%40ss@env.example:3128'
  assert.equal(await proxyOf({}, { HTTPS_PROXY }), 'http://u:p%40ss@env.example:3128/')
  assert.equal(await proxyOf({}, { HTTPS_PROXY, NO_PROXY: '192.0.2.0/24' }), undefined)
  const named = { cluster: { 'proxy-url': 'http://proxy.example:3128' } }
  assert.equal(await proxyOf(named, { HTTPS_PROXY }), 'http://proxy.example:3128/')
  const local = { cluster: { server: 'http://127.0.0.1:8080' } }
  assert.equal(await proxyOf(local, { HTTPS_PROXY }), undefined)
  await assert.rejects(proxyOf({}, { HTTPS_PROXY: 'socks5://p:1' }), CredentialsError)
})

test('without TLS only loopback is trusted', async (t) => {
  for (const server of ['http://127.0.0.1:8080', 'http://[::1]:8080']) {
    const { using } = await place(t, kubeconfig({ cluster: { server } }))
    assert.equal((await using().connection()).server.protocol, 'http:')
  }
})

/** A credential plugin that counts how often it was asked, in a file. */
const PLUGIN = `
const { appendFileSync, readFileSync } = require('node:fs')
const [file, expires] = process.argv.slice(1)
appendFileSync(file, 'x')
const token = 'token-' + readFileSync(file, 'utf8').length
const status = { token, ...(expires && { expirationTimestamp: expires }) }
process.stdout.write(JSON.stringify({ kind: 'ExecCredential', status }))`

test('a credential plugin is asked again when what it gave expires, or is refused', async (t) => {
  const { using, file, directory } = await place(t, undefined)
  const counter = join(directory, 'count')
  const plugin = (...args: string[]) =>
    kubeconfig({
      user: { exec: { command: process.execPath, args: ['-e', PLUGIN, counter, ...args] } },
    })
  await writeFile(file, plugin())
  const credentials = using()
  const token = async (): Promise<string | undefined> =>
    (await credentials.connection()).headers.Authorization
  assert.equal(await token(), 'Bearer token-1')
  assert.equal(await token(), 'Bearer token-1')
  credentials.distrust()
  assert.equal(await token(), 'Bearer token-2')
  await writeFile(file, plugin('2001-01-01T00:00:00Z'))
  assert.equal(await token(), 'Bearer token-3')
  assert.equal(await token(), 'Bearer token-4')
})

test('in a pod', async (t) => {
  const { directory } = await place(t, undefined)
  await writeFile(join(directory, 'ca.crt'), 'CA')
  await writeFile(join(directory, 'token'), 'pod token')
  const pod = (environment: Record<string, string>): Credentials =>
    new Credentials({ access: { kind: 'inCluster' }, environment, serviceAccountDirectory: directory })
  const { server, headers, agent } = await pod({
    KUBERNETES_SERVICE_HOST: 'fd00::1',
    KUBERNETES_SERVICE_PORT: '443',
  }).connection()
  assert.equal(server.href, 'https://[fd00::1]/')
  assert.equal(headers.Authorization, 'Bearer pod token')
  assert.equal(String(optionsOf(agent).ca), 'CA')
  await assert.rejects(pod({}).connection(), /this is no pod/)
})

for (const [what, text, why] of [
  ['no file', undefined, /there is no kubeconfig at/],
  ['no YAML', `a: [${SECRET}`, /config:1/],
  ['no mapping', '- a\n', /is no kubeconfig|has no current context/],
  ['nothing', '', /is no kubeconfig/],
  ['no current context', kubeconfig({ change: { 'current-context': '' } }), /has no current context/],
  ['an unknown context', kubeconfig({ change: { 'current-context': 'q' } }), /has no context named q/],
  ['an unknown cluster', kubeconfig({ change: { 'current-context': 'z' } }), /has no cluster named nowhere/],
  [
    'half a context',
    kubeconfig({ change: { contexts: [{ name: 'x' }] } }),
    /contexts\[0\]\.context is missing/,
  ],
  ['plain HTTP', kubeconfig({ cluster: { server: 'http://192.0.2.1' } }), /only loopback is trusted/],
  ['no URL', kubeconfig({ cluster: { server: 'api' } }), /no https URL/],
  ['a SOCKS proxy', kubeconfig({ cluster: { 'proxy-url': 'socks5://p:1' } }), /no http or https URL/],
  ['a file that is not there', kubeconfig({ user: { tokenFile: 'gone' } }), /gone: cannot be read: ENOENT/],
  [
    'a provider of the past',
    kubeconfig({ user: { token: undefined, 'auth-provider': { name: 'gcp' } } }),
    /auth-provider of user u is not supported/,
  ],
  [
    'a plugin that fails',
    kubeconfig({ user: { exec: { command: '/does/not/exist' } } }),
    /the credential plugin of user u failed: spawn/,
  ],
] as const)
  test(`${what} is told, without contents`, async (t) => {
    const { using } = await place(t, text)
    await assert.rejects(using().connection(), (error: unknown) => {
      assert.ok(error instanceof CredentialsError, String(error))
      assert.match(error.message, why)
      assert.ok(!error.message.includes(SECRET))
      return true
    })
  })

test('OIDC is left to the package', async (t) => {
  const expired = ['{}', '{"exp":1}', ''].map((part) => Buffer.from(part).toString('base64url')).join('.')
  const config = { 'id-token': expired, 'client-id': 'c', 'refresh-token': 'r', 'idp-issuer-url': 'x' }
  const { using } = await place(t, kubeconfig({ user: { 'auth-provider': { name: 'oidc', config } } }))
  await assert.rejects(using().connection(), /the credential plugin of user u failed/)
})
