import {
  ApiError,
  type KubernetesApi,
  Redialled,
  type WatchEvent,
} from '../../../kubespan/sources/kubernetes/api.ts'
import type { RawEndpointSlice } from '../../../kubespan/sources/kubernetes/endpoint-slice.ts'
import type { RawNode } from '../../../kubespan/sources/kubernetes/node-record.ts'
import type { AnnotationPatch } from '../../../kubespan/sources/kubernetes/patch.ts'

interface Watcher {
  readonly what: 'nodes' | 'slices'
  readonly queue: (WatchEvent<never> | Error)[]
  wake: () => void
  isEnded: boolean
}

/** A Kubernetes cluster in memory, as far as the registry can see one, with the faults that a test asks for. */
export class FakeKubernetes implements KubernetesApi {
  readonly nodes = new Map<string, RawNode>()
  readonly patches: { readonly name: string; readonly patch: AnnotationPatch }[] = []
  slice: RawEndpointSlice | undefined
  server = new URL('https://192.0.2.100:6443')
  lists = 0
  gets = 0
  redials = 0
  /** While set, every call fails with it. */
  fault: Error | undefined
  /** While set, what it is true for is refused. */
  forbids: ((verb: string, name: string | undefined) => boolean) | undefined
  #version = 100
  /** Watches from before this version are gone. */
  #oldest = 0
  readonly #watchers = new Set<Watcher>()
  readonly #log: { readonly version: number; readonly what: string; readonly event: WatchEvent<never> }[] = []

  get watchers(): number {
    return [...this.#watchers].filter(({ what }) => what === 'nodes').length
  }

  /** Creates or changes a Node. */
  put(raw: RawNode): void {
    const node = this.#stamp(raw)
    this.nodes.set(node.metadata?.name ?? '', node)
    this.#tell('nodes', 'set', node)
  }

  remove(name: string): void {
    const node = this.nodes.get(name)
    this.nodes.delete(name)
    if (node !== undefined) this.#tell('nodes', 'deleted', this.#stamp(node))
  }

  putSlice(addresses: readonly string[], port = 6443): void {
    this.slice = {
      metadata: { resourceVersion: `${++this.#version}` },
      endpoints: [{ addresses }],
      ports: [{ port, protocol: 'TCP' }],
    }
    this.#tell('slices', 'set', this.slice)
  }

  /** Ends every watch, politely or with an error, as a server does that stops or that limits a watch in time. */
  endWatches(error?: Error): void {
    for (const watcher of this.#watchers) {
      if (error !== undefined) watcher.queue.push(error)
      watcher.isEnded = true
      watcher.wake()
    }
  }

  /** Forgets the past: who was not there has to read everything again. */
  compact(): void {
    this.#oldest = this.#version
  }

  redial(): void {
    this.redials += 1
    this.endWatches(new Redialled())
  }

  async listNodes() {
    this.lists += 1
    this.#mayFail('list', undefined)
    return { items: [...this.nodes.values()], resourceVersion: `${this.#version}` }
  }

  async watchNodes(version: string, signal: AbortSignal): Promise<AsyncIterable<WatchEvent<RawNode>>> {
    this.#mayFail('watch', undefined)
    return this.#watch('nodes', Number(version), signal)
  }

  async node(name: string): Promise<RawNode> {
    this.gets += 1
    this.#mayFail('get', name)
    const node = this.nodes.get(name)
    if (node === undefined) throw new ApiError(404, `HTTP 404: nodes "${name}" not found`)
    return node
  }

  async annotate(name: string, patch: AnnotationPatch): Promise<RawNode> {
    this.#mayFail('patch', name)
    const node = await this.node(name)
    this.patches.push({ name, patch })
    const annotations = { ...node.metadata?.annotations }
    for (const [key, value] of Object.entries(patch.metadata.annotations))
      if (value === null) delete annotations[key]
      else annotations[key] = value
    this.put({ ...node, metadata: { ...node.metadata, annotations } })
    return this.nodes.get(name) as RawNode
  }

  async apiServers(): Promise<RawEndpointSlice> {
    this.#mayFail('get', 'kubernetes')
    if (this.slice === undefined) throw new ApiError(404, 'HTTP 404: not found')
    return this.slice
  }

  async watchApiServers(
    version: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent<RawEndpointSlice>>> {
    this.#mayFail('watch', 'kubernetes')
    return this.#watch('slices', Number(version), signal)
  }

  async via(): Promise<URL> {
    return this.server
  }

  #stamp(raw: RawNode): RawNode {
    return { ...raw, metadata: { ...raw.metadata, resourceVersion: `${++this.#version}` } }
  }

  #tell(what: Watcher['what'], kind: 'set' | 'deleted', object: RawNode | RawEndpointSlice): void {
    const event = { kind, object, resourceVersion: `${this.#version}` } as WatchEvent<never>
    this.#log.push({ version: this.#version, what, event })
    for (const watcher of this.#watchers)
      if (watcher.what === what) {
        watcher.queue.push(event)
        watcher.wake()
      }
  }

  async *#watch(what: Watcher['what'], version: number, signal: AbortSignal): AsyncGenerator<never> {
    if (version < this.#oldest) throw new ApiError(410, 'the watch was ended: too old resource version')
    const missed = this.#log.filter((entry) => entry.what === what && entry.version > version)
    const watcher: Watcher = {
      what,
      queue: missed.map(({ event }) => event),
      wake: () => {},
      isEnded: false,
    }
    this.#watchers.add(watcher)
    signal.addEventListener('abort', () => watcher.wake(), { once: true })
    try {
      while (!signal.aborted) {
        const event = watcher.queue.shift()
        if (event instanceof Error) throw event
        if (event !== undefined) yield event as never
        else if (watcher.isEnded) return
        else
          await new Promise<void>((resolve) => {
            watcher.wake = resolve
          })
      }
    } finally {
      this.#watchers.delete(watcher)
    }
  }

  #mayFail(verb: string, name: string | undefined): void {
    if (this.fault !== undefined) throw this.fault
    if (this.forbids?.(verb, name))
      throw new ApiError(403, `HTTP 403: nodes is forbidden: cannot ${verb} resource "nodes"`)
  }
}

/** A Node as a kubelet makes it, of which the test says only what matters to it. */
export const rawNode = (
  name: string,
  said: {
    readonly annotations?: Readonly<Record<string, string>>
    readonly labels?: Readonly<Record<string, string>>
    readonly podCIDRs?: readonly string[]
    readonly providerID?: string
    readonly machineID?: string
    readonly internalIp?: string
    readonly createdAt?: string
  } = {},
): RawNode => ({
  metadata: {
    name,
    creationTimestamp: said.createdAt ?? '2026-01-01T00:00:00Z',
    ...(said.labels && { labels: said.labels }),
    ...(said.annotations && { annotations: said.annotations }),
  },
  spec: {
    ...(said.podCIDRs && { podCIDRs: said.podCIDRs }),
    ...(said.providerID && { providerID: said.providerID }),
  },
  status: {
    addresses: [
      { type: 'Hostname', address: name },
      ...(said.internalIp ? [{ type: 'InternalIP', address: said.internalIp }] : []),
    ],
    nodeInfo: { osImage: 'Debian', ...(said.machineID && { machineID: said.machineID }) },
  },
})
