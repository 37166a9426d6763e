import type { Milliseconds } from '../../../shared/clock.ts'
import type { RawEndpointSlice } from './endpoint-slice.ts'
import type { RawNode } from './node-record.ts'
import type { AnnotationPatch } from './patch.ts'

/** The API server has answered, and the answer is no. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** HTTP status, or the code of a Status object in a watch. */
  readonly status: number
  readonly retryAfter: Milliseconds | undefined

  constructor(status: number, message: string, retryAfter?: Milliseconds) {
    super(message)
    this.status = status
    this.retryAfter = retryAfter
  }
}

/** What was asked is to be asked again, over another connection. Nothing is wrong with it. */
export class Redialled extends Error {
  override readonly name = 'Redialled'
}

/** What a watch tells: something changed, or only how far it has come. */
export type WatchEvent<T> =
  | { readonly kind: 'set' | 'deleted'; readonly object: T; readonly resourceVersion: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }

/** What is asked of the Kubernetes API: the door of the registry, and what a test puts in its place. */
export interface KubernetesApi {
  /** Whatever is under way, watches above all, ends with `Redialled`: its connection may be dead without anybody having said so. */
  redial(): void
  /** All Nodes, page by page. */
  listNodes(signal: AbortSignal): Promise<{ items: readonly RawNode[]; resourceVersion: string }>
  /** Ends when the server ends it. Throws ApiError 410, at once or later, when the events since the version are not to be had. */
  watchNodes(resourceVersion: string, signal: AbortSignal): Promise<AsyncIterable<WatchEvent<RawNode>>>
  node(name: string, signal: AbortSignal): Promise<RawNode>
  /** The Node as it is after the patch. */
  annotate(name: string, patch: AnnotationPatch, signal: AbortSignal): Promise<RawNode>
  apiServers(signal: AbortSignal): Promise<RawEndpointSlice>
  watchApiServers(
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent<RawEndpointSlice>>>
  /** Where connections go, as far as known without one. */
  via(): Promise<URL>
}

/** One line per change; a quiet registry says nothing. */
export interface RegistryLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
}
