import { dirname, resolve } from 'node:path'
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js'
import { readDocuments } from '../../../shared/yaml-document.ts'

/** One context of a kubeconfig: where the API server is and who we are to it. */
export interface Context {
  readonly cluster: Cluster
  /** A context without user is a stranger to the API server. */
  readonly user: User | undefined
  /** A file that holds the token; it is read for every request, because tokens rotate. */
  readonly tokenFile: string | undefined
}

/** The kubeconfig or what it points to cannot be used. The text repeats none of the contents. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError'
}

/**
 * One context out of the text of a kubeconfig; `contextName` undefined stands for the current one. Files named in it
 * are relative to the kubeconfig, as with kubectl. Throws CredentialsError.
 */
export async function readContext(
  file: string,
  text: string,
  contextName: string | undefined,
): Promise<Context> {
  const { documents, problems } = readDocuments(file, text)
  const value = documents[0]?.value
  if (problems[0] !== undefined) throw new CredentialsError(problems[0])
  if (typeof value !== 'object' || value === null) throw new CredentialsError(`${file}: is no kubeconfig`)
  const fields = value as Readonly<Record<string, unknown>>

  // Not the index of the package: that loads a model class for every kind there is, 80 MB of them (docs/adr/0009).
  const { newClusters, newContexts, newUsers } = await import('@kubernetes/client-node/dist/config_types.js')
  const named = <T extends { readonly name: string }>(
    what: string,
    read: (entries: unknown) => T[],
    name: string,
  ): T => {
    let entries: T[]
    try {
      entries = read(fields[`${what}s`])
    } catch (error) {
      throw new CredentialsError(`${file}: ${error instanceof Error ? error.message : what}`)
    }
    const found = entries.find((entry) => entry.name === name)
    if (found === undefined) throw new CredentialsError(`${file}: has no ${what} named ${name}`)
    return found
  }
  const wanted = contextName ?? fields['current-context']
  if (typeof wanted !== 'string' || wanted === '')
    throw new CredentialsError(`${file}: has no current context; name one`)
  const context = named('context', newContexts, wanted)
  const cluster = named('cluster', newClusters, context.cluster)
  const user = context.user === undefined ? undefined : named('user', newUsers, context.user)

  const absolute = (path: string | undefined): { path: string } | undefined =>
    path ? { path: resolve(dirname(file), path) } : undefined
  const caFile = absolute(cluster.caFile)?.path
  const certFile = absolute(user?.certFile)?.path
  const keyFile = absolute(user?.keyFile)?.path
  return {
    cluster: { ...cluster, ...(caFile && { caFile }) },
    user: user && { ...user, ...(certFile && { certFile }), ...(keyFile && { keyFile }) },
    tokenFile: absolute(tokenFileOf(fields, user?.name))?.path,
  }
}

/** `tokenFile` is the one field of a user that the package does not read. */
function tokenFileOf(
  fields: Readonly<Record<string, unknown>>,
  userName: string | undefined,
): string | undefined {
  const users = fields.users as readonly {
    readonly name?: string
    readonly user?: { readonly tokenFile?: unknown }
  }[]
  const tokenFile =
    userName === undefined ? undefined : users.find(({ name }) => name === userName)?.user?.tokenFile
  return typeof tokenFile === 'string' ? tokenFile : undefined
}

/** Where a pod finds its ServiceAccount. */
export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The context of a pod. Throws CredentialsError outside of one. */
export function podContext(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
): Context {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = environment
  if (!host || !port)
    throw new CredentialsError(
      'this is no pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set',
    )
  return {
    cluster: {
      name: 'pod',
      server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      caFile: `${directory}/ca.crt`,
      skipTLSVerify: false,
    },
    user: { name: 'pod' },
    tokenFile: `${directory}/token`,
  }
}
