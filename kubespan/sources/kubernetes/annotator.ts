import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { messageOf } from '../../../shared/message-of.ts'
import { type Outcome, Reconciler } from '../../../shared/reconcile/reconciler.ts'
import { type KubernetesApi, Redialled, type RegistryLog } from './api.ts'
import type { NodeRecord, RawNode } from './node-record.ts'
import { planPatch, planRemoval } from './patch.ts'

export interface AnnotatorOptions {
  readonly api: Pick<KubernetesApi, 'annotate'>
  readonly clock: Clock
  readonly backoff: (failures: number) => Milliseconds
  readonly ownId: string
  /** Our Node as it is known now; `isKnown` false: whether there is one is not known yet. */
  readonly ownNode: (signal: AbortSignal) => Promise<OwnNodeLook>
  /** The Node as it is after a patch. */
  readonly onPatched: (node: RawNode) => void
  readonly onProblem: () => void
  readonly log: RegistryLog
}

export interface OwnNodeLook {
  readonly record: NodeRecord | undefined
  readonly isKnown: boolean
  /** When to look again although nothing wakes us. */
  readonly again?: Milliseconds
}

type Wanted =
  | { readonly kind: 'annotations'; readonly annotations: Readonly<Record<string, string>> }
  | { readonly kind: 'nothing'; readonly done: PromiseWithResolvers<void> }

/** Keeps the annotations of our own Node as they should be; it sends something only when something differs. */
export class Annotator implements AsyncDisposable {
  readonly #options: AnnotatorOptions
  readonly #loop: Reconciler
  #wanted: Wanted | undefined
  #problem: string | undefined

  constructor(options: AnnotatorOptions) {
    this.#options = options
    this.#loop = new Reconciler((signal) => this.#pass(signal).catch(againIfRedialled), {
      clock: options.clock,
      backoff: options.backoff,
      onFailure: (error) => this.#failed(error),
    })
  }

  /** Why our Node does not say what it should. */
  get problem(): string | undefined {
    return this.#problem
  }

  publish(annotations: Readonly<Record<string, string>>): void {
    if (this.#wanted?.kind === 'nothing') return
    this.#wanted = { kind: 'annotations', annotations }
    this.wake()
  }

  /** Takes our annotations off and keeps them off. Resolves once that is so. */
  retract(): Promise<void> {
    if (this.#wanted?.kind !== 'nothing') this.#wanted = { kind: 'nothing', done: Promise.withResolvers() }
    this.wake()
    return this.#wanted.done.promise
  }

  /** Our Node may have changed. */
  wake(): void {
    this.#loop.wake()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop[Symbol.asyncDispose]()
  }

  async #pass(signal: AbortSignal): Promise<Outcome> {
    const { api, ownId, ownNode, onPatched, onProblem, log } = this.#options
    if (this.#wanted === undefined) return {}
    const { record, isKnown, again } = await ownNode(signal)
    const wanted = this.#wanted
    const annotations = record?.view.annotations
    const patch =
      record === undefined
        ? undefined
        : wanted.kind === 'nothing'
          ? planRemoval(annotations, ownId)
          : planPatch(annotations, wanted.annotations)
    if (record !== undefined && patch !== undefined) {
      const node = await api.annotate(record.view.name, patch, signal)
      log.info(
        { node: record.view.name, keys: Object.keys(patch.metadata.annotations).length },
        wanted.kind === 'nothing' ? 'annotations removed' : 'annotations written',
      )
      onPatched(node)
    }
    if (isKnown && wanted.kind === 'nothing') wanted.done.resolve()
    if (this.#problem !== undefined) {
      this.#problem = undefined
      onProblem()
    }
    return again === undefined ? {} : { again }
  }

  #failed(error: unknown): void {
    const problem = `our annotations are not written: ${messageOf(error)}`
    if (problem === this.#problem) return
    this.#problem = problem
    this.#options.log.warn({ problem }, 'own kubernetes node not patched')
    this.#options.onProblem()
  }
}

function againIfRedialled(error: unknown): Outcome {
  if (error instanceof Redialled) return { again: 0 }
  throw error
}
