import { readdir, readFile, stat, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Milliseconds } from '../../shared/clock.ts'
import { WriteKey } from '../../shared/identity/write-key.ts'
import type { Address } from '../../shared/net/address.ts'
import { ownVersion } from '../../shared/version.ts'
import { observePrivileges, type Privileges } from '../host/capabilities.ts'
import type { Host } from '../host/host.ts'
import { findPrograms, PROGRAMS, type Program } from '../host/installed.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import type { KubernetesAccess } from '../model/kubernetes.ts'
import type { ProofAnswer } from '../model/proof-answer.ts'
import type { ServiceEndpoint } from '../model/service-endpoint.ts'
import type { Settings } from '../model/settings.ts'
import { rootCertificates } from '../sources/discovery/certificates.ts'
import { GrpcTransport } from '../sources/discovery/grpc.ts'
import { toldAddress } from '../sources/discovery/told-addresses.ts'
import type { KubernetesApi } from '../sources/kubernetes/api.ts'
import { Credentials } from '../sources/kubernetes/credentials.ts'
import { HttpKubernetesApi } from '../sources/kubernetes/http-api.ts'
import { type Lookup, systemLookup } from '../sources/resolver.ts'

export interface FileStat {
  readonly mode: number
  readonly uid: number
  readonly isDirectory: boolean
}

/** What a service answered to Hello. */
export interface HelloSeen {
  /** Our address as the service sees it. */
  readonly clientAddress: Address | undefined
  readonly proof: ProofAnswer | undefined
}

/** Everything outside this process that the doctor looks at. Nothing of it changes anything. */
export interface DoctorWorld {
  readonly host: Host
  /** Undefined when there is no such file; throws when it cannot be read. */
  read(path: string): Promise<string | undefined>
  /** Empty when there is no such directory. */
  list(path: string): Promise<readonly string[]>
  /** Undefined when there is no such file; throws when it may not be looked at. */
  stat(path: string): Promise<FileStat | undefined>
  /** Bytes that are free there; undefined when that cannot be told. */
  freeBytes(path: string): Promise<number | undefined>
  readonly lookup: Lookup
  /** Connects over TCP and hangs up; throws when that fails. */
  dial(address: Address, port: number, limit: Milliseconds): Promise<void>
  /** Says Hello as the daemon does. */
  hello(endpoint: ServiceEndpoint, settings: Settings, limit: Milliseconds): Promise<HelloSeen>
  /** The API server that these credentials lead to. */
  kubernetes(access: KubernetesAccess): Pick<KubernetesApi, 'listNodes' | 'via'>
  programs(): Promise<ReadonlySet<Program>>
  privileges(): Promise<Privileges>
  /** Undefined when no daemon answers. */
  daemon(settings: Settings): Promise<DaemonView | undefined>
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''
const isAbsent = (error: unknown): boolean => ['ENOENT', 'ENOTDIR', 'ESRCH'].includes(codeOf(error))

/** `undefined` for what is not there; all other failures stay. */
async function ifThere<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

/** The machine that this process lives on. */
export const systemWorld = (host: Host, daemon: DoctorWorld['daemon']): DoctorWorld => ({
  host,
  read: (path) => ifThere(readFile(path, 'utf8')),
  list: async (path) => (await ifThere(readdir(path))) ?? [],
  async stat(path) {
    const found = await ifThere(stat(path))
    return found && { mode: found.mode, uid: found.uid, isDirectory: found.isDirectory() }
  },
  async freeBytes(path) {
    const found = await statfs(path).catch(() => undefined)
    return found && found.bavail * found.bsize
  },
  lookup: systemLookup,
  dial: (address, port, limit) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: address, port, timeout: limit })
      const end = (error?: Error): void => {
        socket.destroy()
        if (error === undefined) resolve()
        else reject(error)
      }
      socket.once('connect', () => end())
      socket.once('timeout', () => end(new Error(`no answer within ${limit / 1000} s`)))
      socket.once('error', (error) => end(error))
    }),
  async hello(endpoint, { cluster, node, proxy }, limit) {
    const transport = new GrpcTransport(endpoint, {
      clusterId: cluster?.id ?? '',
      clientVersion: ownVersion(),
      keepalive: limit,
      rootCertificates: () => rootCertificates(node.caFile),
      proxy,
      ...(cluster !== undefined && {
        proofs: { key: WriteKey.of(cluster.key), wall: () => host.clock.wall() },
      }),
    })
    try {
      const { clientIp, proof } = await transport.hello(AbortSignal.timeout(limit))
      return { clientAddress: toldAddress(clientIp), proof }
    } finally {
      transport.close()
    }
  },
  kubernetes: (access) =>
    new HttpKubernetesApi({
      credentials: new Credentials({ access, environment: process.env }),
      clock: host.clock,
      random: Math.random,
      userAgent: `kubespan-doctor/${ownVersion()}`,
    }),
  programs: () => findPrograms(PROGRAMS),
  privileges: () => observePrivileges(),
  daemon,
})
