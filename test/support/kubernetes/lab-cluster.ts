import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { podPrefixes } from '../../lab/attachment.ts'
import type { LabHost } from '../../lab/box.ts'
import { DISCOVERY_PORT, type Lab } from '../../lab/lab.ts'
import { Mesh, type MeshOptions } from '../../lab/mesh.ts'
import { nodeConfig } from '../../lab/node-config.ts'
import { ApiServer } from './api-server.ts'
import type { KubernetesBinaries } from './binaries.ts'
import { kubeconfigText } from './kubeconfig.ts'
import { applyManifest, podToken } from './manifest.ts'

const API_PORT = 6443

/** Runs inside the API server's host and leads a unix socket to it: this process is on no network of the lab. */
const RELAY = `
const { connect, createServer } = require('node:net')
const [socketPath, port, host] = process.argv.slice(1)
createServer((from) => {
  const to = connect(Number(port), host)
  from.on('error', () => to.destroy())
  to.on('error', () => from.destroy())
  from.pipe(to).pipe(from)
}).listen(socketPath)`

/** A Kubernetes control plane on one host of a lab, with the manifest applied. Nobody but the test makes Nodes. */
export async function startCluster(host: LabHost, binaries: KubernetesBinaries): Promise<ApiServer> {
  const directory = join(host.directory, 'kubernetes')
  mkdirSync(directory, { mode: 0o700 })
  const socketPath = join(host.runDirectory, 'api.sock')
  const address = host.v4 ?? ''
  host.spawn(process.execPath, ['-e', RELAY, socketPath, `${API_PORT}`, address], { name: 'api-relay' })
  const server = await ApiServer.start(binaries, {
    directory,
    address,
    port: API_PORT,
    prefix: ['ip', 'netns', 'exec', host.namespace],
    socketPath,
  })
  await applyManifest(server)
  return server
}

/** A Node as its kubelet and the controller manager make it. */
export const createNode = (
  server: ApiServer,
  { name }: LabHost,
  podCIDRs: readonly string[],
): Promise<unknown> =>
  server.ask('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDR: podCIDRs[0], podCIDRs },
  })

export interface KubernetesMeshOptions extends MeshOptions {
  /** Hosts that use the discovery service as well. */
  readonly withService?: (host: LabHost) => boolean
}

/** Daemons that know each other through the Kubernetes API, each with the rights of a pod on its Node. */
export class KubernetesMesh extends Mesh {
  readonly #server: ApiServer
  readonly #more: KubernetesMeshOptions

  constructor(lab: Lab, server: ApiServer, options: KubernetesMeshOptions = {}) {
    super(lab, options)
    this.#server = server
    this.#more = options
  }

  /** Makes the Node of a host and the credentials of its daemon. */
  async join(host: LabHost): Promise<void> {
    await createNode(this.#server, host, podPrefixes(host.index))
    const secret = { mode: 0o600 }
    writeFileSync(join(host.directory, 'token'), await podToken(this.#server, host.name), secret)
    const cluster = { 'certificate-authority': this.#server.caFile }
    const text = kubeconfigText(this.#server.url, cluster, { tokenFile: 'token' })
    writeFileSync(join(host.directory, 'kubeconfig'), text, secret)
  }

  override writeConfig(host: LabHost): void {
    const { timing, withService, documents } = this.#more
    const text = nodeConfig(host, {
      cluster: this.cluster,
      discoveryPort: DISCOVERY_PORT,
      ...(timing && { timing }),
      ...(withService?.(host) ? {} : { services: [] }),
      // The pod networks come from the API.
      documents: { ...documents?.(host), NodeConfig: { podCIDRs: [], ...documents?.(host)?.NodeConfig } },
    })
    const registry = {
      apiVersion: 'v1alpha1',
      kind: 'KubernetesRegistryConfig',
      kubeconfig: join(host.directory, 'kubeconfig'),
    }
    writeFileSync(this.configFile(host), `${text}---\n${stringify(registry)}`, { mode: 0o600 })
  }
}
