import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { open, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'
import type { KubernetesBinaries } from './binaries.ts'
import { kubeconfigText } from './kubeconfig.ts'

/** The one Node for whose kubelet there are credentials. */
export const KUBELET_NODE = 'with-kubelet'

const READY_WITHIN_MS = 90_000
const STOP_WITHIN_MS = 3000

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: objects of the Kubernetes API, as tests read them
  readonly body: any
}

export interface ApiServerOptions {
  /** For everything that the two write. */
  readonly directory: string
  /** An address of this host; loopback unless said otherwise. */
  readonly address?: string
  readonly port?: number
  /** What runs a program elsewhere, as `ip netns exec NAME`. */
  readonly prefix?: readonly string[]
  /** A unix socket that leads to the server, where this process is not on its network. */
  readonly socketPath?: string
}

/** A real etcd and a real kube-apiserver, with RBAC and admission as in a cluster. Nothing is left of them when they end. */
export class ApiServer implements AsyncDisposable {
  readonly #binaries: KubernetesBinaries
  readonly #options: ApiServerOptions
  readonly #adminToken = randomBytes(16).toString('hex')
  /** Of the kubelet of KUBELET_NODE. */
  readonly kubeletToken = randomBytes(16).toString('hex')
  readonly address: string
  readonly port: number
  readonly #etcdPorts: readonly [number, number]
  // The certificate is made when the server first starts.
  readonly #agent = new Agent({ keepAlive: true, rejectUnauthorized: false })
  #etcd: ChildProcess | undefined
  #apiServer: ChildProcess | undefined

  private constructor(
    binaries: KubernetesBinaries,
    options: ApiServerOptions,
    ports: readonly [number, number, number],
  ) {
    this.#binaries = binaries
    this.#options = options
    this.address = options.address ?? '127.0.0.1'
    this.port = options.port ?? ports[0]
    this.#etcdPorts = [ports[1], ports[2]]
  }

  static async start(binaries: KubernetesBinaries, options: ApiServerOptions): Promise<ApiServer> {
    const server = new ApiServer(binaries, options, [await freePort(), await freePort(), await freePort()])
    const { directory } = options
    await promisify(execFile)('openssl', ['genrsa', '-out', `${directory}/sa.key`, '2048'])
    await promisify(execFile)('openssl', [
      'rsa',
      '-in',
      `${directory}/sa.key`,
      '-pubout',
      '-out',
      `${directory}/sa.pub`,
    ])
    // Tokens go through files: arguments are public.
    const tokens = [
      `${server.#adminToken},admin,admin,system:masters`,
      `${server.kubeletToken},system:node:${KUBELET_NODE},kubelet,system:nodes`,
    ]
    await writeFile(`${directory}/tokens.csv`, `${tokens.join('\n')}\n`, { mode: 0o600 })
    try {
      await server.#startEtcd()
      await server.startApiServer()
    } catch (error) {
      await server[Symbol.asyncDispose]()
      throw error
    }
    return server
  }

  get url(): string {
    return `https://${this.address}:${this.port}`
  }

  /** A kubeconfig for this server; the administrator's unless a token is given. */
  kubeconfig(user: Readonly<Record<string, string>> = { token: this.#adminToken }): string {
    return kubeconfigText(this.url, { 'certificate-authority': this.caFile }, user)
  }

  get caFile(): string {
    return `${this.#options.directory}/certs/apiserver.crt`
  }

  async startApiServer(): Promise<void> {
    const { directory } = this.#options
    this.#apiServer = await this.#spawn(this.#binaries.apiServer, 'apiserver', [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPorts[0]}`,
      `--secure-port=${this.port}`,
      `--bind-address=${this.address}`,
      `--advertise-address=${this.address}`,
      `--cert-dir=${directory}/certs`,
      `--service-account-key-file=${directory}/sa.pub`,
      `--service-account-signing-key-file=${directory}/sa.key`,
      '--service-account-issuer=https://kubernetes.default.svc',
      '--service-cluster-ip-range=10.96.0.0/16',
      `--token-auth-file=${directory}/tokens.csv`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--anonymous-auth=false',
      '--disable-admission-plugins=ServiceAccount',
      // It enters itself behind the Service `kubernetes`, which nobody may do with loopback.
      ...(this.address.startsWith('127.') ? ['--endpoint-reconciler-type=none'] : []),
      '--profiling=false',
      '--shutdown-delay-duration=0s',
    ])
    await this.#until('kube-apiserver', this.#apiServer, async () => {
      const { status } = await this.call('GET', '/readyz')
      return status === 200
    })
  }

  async stopApiServer(): Promise<void> {
    this.#agent.destroy()
    await end(this.#apiServer)
    this.#apiServer = undefined
  }

  /** One request, as the administrator unless a token is given. */
  async call(
    method: string,
    path: string,
    body?: unknown,
    said: { token?: string; type?: string } = {},
  ): Promise<Answer> {
    const content = body === undefined ? undefined : JSON.stringify(body)
    const outgoing = request(`${this.url}${path}`, {
      method,
      agent: this.#agent,
      ...(this.#options.socketPath && { socketPath: this.#options.socketPath }),
      headers: {
        authorization: `Bearer ${said.token ?? this.#adminToken}`,
        ...(content && {
          'content-type':
            said.type ?? (method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'),
        }),
      },
    })
    outgoing.end(content)
    const [response] = await once(outgoing, 'response')
    const text = (await response.toArray()).join('')
    return { status: response.statusCode, body: objectOf(text) }
  }

  /** A request that has to succeed; the object that it answers. */
  async ask(method: string, path: string, body?: unknown): Promise<Answer['body']> {
    const { status, body: answer } = await this.call(method, path, body)
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`)
    return answer
  }

  /** Makes the past unavailable to watches, as a cluster does every five minutes. */
  async compact(): Promise<void> {
    const etcd = async (path: string, body: object): Promise<{ header?: { revision?: string } }> => {
      const response = await fetch(`http://127.0.0.1:${this.#etcdPorts[0]}/v3/kv/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      })
      return (await response.json()) as { header?: { revision?: string } }
    }
    const { header } = await etcd('range', { key: Buffer.from('x').toString('base64') })
    await etcd('compaction', { revision: header?.revision, physical: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopApiServer()
    await end(this.#etcd)
    await rm(this.#options.directory, { recursive: true, force: true })
  }

  async #startEtcd(): Promise<void> {
    const [client, peer] = this.#etcdPorts
    this.#etcd = await this.#spawn(this.#binaries.etcd, 'etcd', [
      `--data-dir=${this.#options.directory}/etcd`,
      `--listen-client-urls=http://127.0.0.1:${client}`,
      `--advertise-client-urls=http://127.0.0.1:${client}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      '--unsafe-no-fsync',
    ])
  }

  async #spawn(program: string, name: string, args: readonly string[]): Promise<ChildProcess> {
    // Should this process be killed, they end with it.
    const command = ['--pdeathsig', 'KILL', ...(this.#options.prefix ?? []), program, ...args]
    await using log = await open(this.#logFile(name), 'a')
    return spawn('setpriv', command, { stdio: ['ignore', log.fd, log.fd] })
  }

  #logFile(name: string): string {
    return `${this.#options.directory}/${name}.log`
  }

  async #until(what: string, child: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
    for (const start = performance.now(); performance.now() - start < READY_WITHIN_MS; await sleep(100)) {
      if (child.exitCode !== null) break
      if (await isReady().catch(() => false)) return
    }
    const tail = (await readFile(this.#logFile('apiserver'), 'utf8')).split('\n').slice(-8).join('\n')
    throw new Error(`${what} has not become ready:\n${tail}`)
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const stubborn = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
  await ended
  clearTimeout(stubborn)
}

/** A watch answers several objects, and some pages answer none. */
function objectOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
