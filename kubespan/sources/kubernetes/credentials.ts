import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Agent as PlainAgent, type RequestOptions } from 'node:http'
import { Agent as TlsAgent } from 'node:https'
import type { User } from '@kubernetes/client-node/dist/config_types.js'
import { messageOf } from '../../../shared/message-of.ts'
import { isLoopback, parseAddress } from '../../../shared/net/address.ts'
import type { KubernetesAccess } from '../../model/kubernetes.ts'
import { ProxySettings } from '../../model/proxy.ts'
import { hostPortOf } from '../../model/service-endpoint.ts'
import {
  type Context,
  CredentialsError,
  podContext,
  readContext,
  SERVICE_ACCOUNT_DIRECTORY,
} from './kubeconfig.ts'

/** How to talk to an API server as things stand. */
export interface Connection {
  readonly server: URL
  readonly agent: NonNullable<RequestOptions['agent']>
  /** Proves who we are. Holds a secret. */
  readonly headers: Readonly<Record<string, string>>
  /** Another one means another API server: what was read from the old one says nothing of it. */
  readonly serverTag: string
  /** Where connections go: the server, or a proxy before it. */
  readonly via: URL
}

export interface CredentialsOptions {
  readonly access: KubernetesAccess
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Elsewhere only in tests. */
  readonly serviceAccountDirectory?: string
}

interface Authenticator {
  applyAuthentication(user: User, options: RequestOptions): Promise<void>
}

/** Reads everything again for every request: files rotate, and there are few requests. */
export class Credentials {
  readonly #options: CredentialsOptions
  /** Keeps what a plugin has handed out until that expires. */
  #authenticator: { readonly of: string; readonly by: Authenticator } | undefined

  constructor(options: CredentialsOptions) {
    this.#options = options
  }

  /** Throws CredentialsError. */
  async connection(): Promise<Connection> {
    const context = await this.#context()
    const { cluster, user } = context
    const server = parseServer(cluster.server)
    const proxy =
      cluster.proxyUrl === undefined
        ? proxyOfEnvironment(this.#options.environment, server)
        : parseProxy(cluster.proxyUrl)
    const [ca, cert, key] = await Promise.all([
      contents(cluster.caFile, cluster.caData),
      contents(user?.certFile, user?.certData),
      contents(user?.keyFile, user?.keyData),
    ])
    const { headers, ...certificate } = await this.#prove(context)
    const agentOptions = {
      // Requests are rare, and a kept connection would outlive the credentials that it was made with.
      keepAlive: false,
      ...(ca && { ca }),
      ...(cert && { cert }),
      ...(key && { key }),
      ...certificate,
      ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
      ...(cluster.skipTLSVerify && { rejectUnauthorized: false }),
      ...(proxy && { proxyEnv: { HTTP_PROXY: proxy.href, HTTPS_PROXY: proxy.href } }),
    }
    return {
      server,
      agent: server.protocol === 'https:' ? new TlsAgent(agentOptions) : new PlainAgent(agentOptions),
      headers,
      serverTag: createHash('sha256')
        .update(JSON.stringify([server.href, proxy?.href, cluster.tlsServerName, ca?.toString('base64')]))
        .digest('hex'),
      via: proxy ?? server,
    }
  }

  /** Makes the next connection ask the plugin again: what it gave us was refused. */
  distrust(): void {
    this.#authenticator = undefined
  }

  async #context(): Promise<Context> {
    const { access, environment, serviceAccountDirectory = SERVICE_ACCOUNT_DIRECTORY } = this.#options
    if (access.kind === 'inCluster') return podContext(environment, serviceAccountDirectory)
    for (const file of access.files) {
      const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw new CredentialsError(`${file}: cannot be read: ${error.code}`)
      })
      if (text !== undefined) return await readContext(file, text, access.context)
    }
    throw new CredentialsError(`there is no kubeconfig at ${access.files.join(', ')}`)
  }

  async #prove({ user, tokenFile }: Context): Promise<{
    headers: Record<string, string>
    cert?: Buffer | string
    key?: Buffer | string
  }> {
    const headers: Record<string, string> = {}
    if (user === undefined) return { headers }
    if (user.impersonateUser) headers['Impersonate-User'] = user.impersonateUser
    if (tokenFile !== undefined) {
      const token = (await contents(tokenFile, undefined))?.toString('utf8').trim()
      return { headers: { ...headers, Authorization: `Bearer ${token}` } }
    }
    if (user.token) return { headers: { ...headers, Authorization: `Bearer ${user.token}` } }
    if (user.username)
      headers.Authorization = `Basic ${Buffer.from(`${user.username}:${user.password}`).toString('base64')}`
    if (!user.exec && !user.authProvider) return { headers }
    const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers }
    try {
      await (await this.#authenticatorOf(user)).applyAuthentication(user, options as RequestOptions)
    } catch (error) {
      if (error instanceof CredentialsError) throw error
      throw new CredentialsError(`the credential plugin of user ${user.name} failed: ${firstLine(error)}`)
    }
    return options
  }

  async #authenticatorOf(user: User): Promise<Authenticator> {
    const of = JSON.stringify([user.exec, user.authProvider])
    if (this.#authenticator?.of === of) return this.#authenticator.by
    const by = await makeAuthenticator(user)
    this.#authenticator = { of, by }
    return by
  }
}

/** The package's own plugins, each loaded only when it is asked for: the one for OIDC is slow and large. */
async function makeAuthenticator(user: User): Promise<Authenticator> {
  if (user.exec) return new (await import('@kubernetes/client-node/dist/exec_auth.js')).ExecAuth()
  if (user.authProvider?.name === 'oidc')
    return new (await import('@kubernetes/client-node/dist/oidc_auth.js')).OpenIDConnectAuth()
  throw new CredentialsError(`the auth-provider of user ${user.name} is not supported: use exec`)
}

async function contents(file: string | undefined, base64: string | undefined): Promise<Buffer | undefined> {
  if (!file) return base64 ? Buffer.from(base64, 'base64') : undefined
  return await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new CredentialsError(`${file}: cannot be read: ${error.code}`)
  })
}

function parseServer(text: string): URL {
  const server = URL.canParse(text) ? new URL(text) : undefined
  if (server?.protocol === 'https:') return server
  const address = server && parseAddress(hostPortOf(server).host)
  if (server?.protocol === 'http:' && address !== undefined && isLoopback(address)) return server
  throw new CredentialsError(
    'the server of the kubeconfig is no https URL, and only loopback is trusted without',
  )
}

function parseProxy(text: string): URL {
  const proxy = URL.canParse(text) ? new URL(text) : undefined
  if (proxy?.protocol === 'http:' || proxy?.protocol === 'https:') return proxy
  throw new CredentialsError('the proxy-url of the kubeconfig is no http or https URL')
}

/** As kubectl does: what the kubeconfig names counts, else HTTPS_PROXY, unless NO_PROXY names the server. */
function proxyOfEnvironment(environment: CredentialsOptions['environment'], server: URL): URL | undefined {
  const proxy = ProxySettings.fromEnvironment(environment)
  if (typeof proxy === 'string') throw new CredentialsError(proxy)
  return proxy?.isFor(hostPortOf(server)) ? proxy.url : undefined
}

const firstLine = (error: unknown): string => messageOf(error).trim().split('\n')[0]?.slice(0, 200) ?? ''
