import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { within } from '../../../shared/waiting.ts'
import { ApiError, type KubernetesApi, Redialled, type WatchEvent } from './api.ts'
import type { Credentials } from './credentials.ts'
import type { RawEndpointSlice } from './endpoint-slice.ts'
import { type Answer, type Call, Caller } from './http-call.ts'
import { jsonLines } from './json-lines.ts'
import { type RawNode, slimNode } from './node-record.ts'
import type { AnnotationPatch } from './patch.ts'

const NODES = '/api/v1/nodes'
const SLICES = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
const KUBERNETES = 'kubernetes'

const LIST_LIMIT: Milliseconds = 120_000
/** Nodes are about 11 KB each, and a page is in memory twice. */
const PAGE_ITEMS = 100
/** The server is asked to end a watch after so long, spread to twice that, so that nodes do not all come back at once. */
const WATCH_SECONDS = 240
/** Bookmarks come about every minute: a watch that brings nothing for so long is dead, whatever the network says. */
export const WATCH_SILENCE_MAX: Milliseconds = 180_000
/** How often a watch looks whether the credentials lead to another server now. */
export const CREDENTIALS_LOOK_EVERY: Milliseconds = 10_000

export interface HttpKubernetesApiOptions {
  readonly credentials: Credentials
  readonly clock: Clock
  readonly random: () => number
  readonly userAgent: string
}

/** The Kubernetes API over HTTPS, objects as plain JSON. */
export class HttpKubernetesApi implements KubernetesApi {
  readonly #options: HttpKubernetesApiOptions
  readonly #caller: Caller
  /** Each ends what is under way over one connection. */
  readonly #underWay = new Set<AbortController>()

  constructor(options: HttpKubernetesApiOptions) {
    this.#options = options
    this.#caller = new Caller(options)
  }

  async listNodes(signal: AbortSignal): Promise<{ items: readonly RawNode[]; resourceVersion: string }> {
    const items: RawNode[] = []
    return await within(this.#options.clock, LIST_LIMIT, signal, 'the list of Nodes', async (limit) => {
      for (let token = ''; ; ) {
        const query = { limit: `${PAGE_ITEMS}`, ...(token && { continue: token }) }
        const page = (await this.#json({ path: NODES, query, signal: limit })) as {
          readonly items?: readonly RawNode[]
          readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string }
        }
        items.push(...(page.items ?? []).map(slimNode))
        token = page.metadata?.continue ?? ''
        if (token === '') return { items, resourceVersion: page.metadata?.resourceVersion ?? '' }
      }
    })
  }

  watchNodes(resourceVersion: string, signal: AbortSignal): Promise<AsyncIterable<WatchEvent<RawNode>>> {
    return this.#watch(NODES, {}, resourceVersion, signal)
  }

  async node(name: string, signal: AbortSignal): Promise<RawNode> {
    return (await this.#json({ path: nodePath(name), signal })) as RawNode
  }

  async annotate(name: string, patch: AnnotationPatch, signal: AbortSignal): Promise<RawNode> {
    const body = { type: 'application/merge-patch+json', value: patch }
    return (await this.#json({ method: 'PATCH', path: nodePath(name), body, signal })) as RawNode
  }

  async apiServers(signal: AbortSignal): Promise<RawEndpointSlice> {
    return (await this.#json({ path: `${SLICES}/${KUBERNETES}`, signal })) as RawEndpointSlice
  }

  watchApiServers(
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent<RawEndpointSlice>>> {
    // RBAC that names the one slice lets it be watched only with this selector.
    return this.#watch(SLICES, { fieldSelector: `metadata.name=${KUBERNETES}` }, resourceVersion, signal)
  }

  redial(): void {
    for (const over of this.#underWay) over.abort(new Redialled())
  }

  async via(): Promise<URL> {
    return (await this.#options.credentials.connection()).via
  }

  async #json(call: Call): Promise<unknown> {
    const over = new AbortController()
    const answer = await this.#over(over, call.signal, (signal) => this.#caller.json({ ...call, signal }))
    this.#underWay.delete(over)
    return answer
  }

  /** Fails with the reason when `over` aborts. It is under way from now on, and no more once this has failed. */
  async #over<T>(
    over: AbortController,
    signal: AbortSignal,
    ask: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#underWay.add(over)
    try {
      return await ask(AbortSignal.any([signal, over.signal]))
    } catch (error) {
      this.#underWay.delete(over)
      throw over.signal.aborted ? over.signal.reason : error
    }
  }

  async #watch<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent<T>>> {
    const seconds = Math.round(WATCH_SECONDS * (1 + this.#options.random()))
    const over = new AbortController()
    const wanted = { watch: '1', allowWatchBookmarks: 'true', resourceVersion, timeoutSeconds: `${seconds}` }
    const answer = await this.#over(over, signal, (limit) =>
      this.#caller.send({ path, query: { ...query, ...wanted }, signal: limit }),
    )
    return this.#events<T>(answer, over)
  }

  /** Aborts `over` with the reason when the stream has to end before the server ends it. */
  async *#events<T>({ response, serverTag }: Answer, over: AbortController): AsyncGenerator<WatchEvent<T>> {
    const { credentials, clock } = this.#options
    let heardAt = clock.now()
    const look = async (): Promise<void> => {
      if (clock.now() - heardAt >= WATCH_SILENCE_MAX) over.abort(new Error('the watch has gone silent'))
      // What cannot be read now may be in the middle of a rotation.
      const now = over.signal.aborted ? undefined : await credentials.connection().catch(() => undefined)
      if (now !== undefined && now.serverTag !== serverTag)
        over.abort(new ApiError(410, 'the credentials lead to another API server now'))
      if (!over.signal.aborted) alarm = clock.after(CREDENTIALS_LOOK_EVERY, () => void look())
    }
    let alarm = clock.after(CREDENTIALS_LOOK_EVERY, () => void look())
    try {
      for await (const line of jsonLines(response)) {
        heardAt = clock.now()
        const event = toEvent<T>(line)
        if (event !== undefined) yield event
      }
    } catch (error) {
      throw over.signal.aborted ? over.signal.reason : error
    } finally {
      this.#underWay.delete(over)
      over.abort()
      alarm[Symbol.dispose]()
    }
  }
}

const nodePath = (name: string): string => `${NODES}/${encodeURIComponent(name)}`

/** A Status object as the end of a watch. */
interface RawStatus {
  readonly code?: number
  readonly message?: string
}

interface RawEvent {
  readonly type?: string
  readonly object?: { readonly metadata?: { readonly resourceVersion?: string } }
}

/** Undefined for kinds of events that came after us. */
function toEvent<T>(line: unknown): WatchEvent<T> | undefined {
  const { type, object } = line as RawEvent
  const resourceVersion = object?.metadata?.resourceVersion ?? ''
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { kind: 'set', object: object as T, resourceVersion }
    case 'DELETED':
      return { kind: 'deleted', object: object as T, resourceVersion }
    case 'BOOKMARK':
      return { kind: 'bookmark', resourceVersion }
    case 'ERROR': {
      const { code = 500, message = 'unknown' } = object as RawStatus
      throw new ApiError(code, `the watch was ended: ${message}`)
    }
    default:
      return undefined
  }
}
