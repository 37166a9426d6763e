import { ANNOTATION } from './annotations.ts'

/** A JSON merge patch (RFC 7386) of annotations: null removes the key. */
export interface AnnotationPatch {
  readonly metadata: { readonly annotations: Readonly<Record<string, string | null>> }
}

export type Annotations = Readonly<Record<string, string>> | null | undefined

/**
 * What has to be sent so that a Node with the annotations `current` says `wanted`; an empty wanted value means that the
 * key has to go. Undefined when there is nothing to change. A Node without any annotation is one like others (SPEC 9, N9).
 */
export function planPatch(
  current: Annotations,
  wanted: Readonly<Record<string, string>>,
): AnnotationPatch | undefined {
  const changes: [string, string | null][] = []
  for (const [key, value] of Object.entries(wanted)) {
    const is = current?.[key]
    if (value === '' ? is !== undefined : is !== value) changes.push([key, value === '' ? null : value])
  }
  return changes.length === 0 ? undefined : { metadata: { annotations: Object.fromEntries(changes) } }
}

const NOTHING = Object.fromEntries(Object.values(ANNOTATION).map((key) => [key, '']))

/**
 * What takes all our annotations from a Node. Undefined when there is nothing to take, or when they are those of
 * another identity: somebody else speaks for the Node now.
 */
export function planRemoval(current: Annotations, ownId: string): AnnotationPatch | undefined {
  const nodeId = current?.[ANNOTATION.nodeId]
  return nodeId === undefined || nodeId === ownId ? planPatch(current, NOTHING) : undefined
}
