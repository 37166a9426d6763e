import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  Scalar,
  visit,
  type YAMLMap,
} from 'yaml'
import type { FieldPath } from './schema-issue.ts'

/** What is wrong with how a document borrows from other places, and where it is. */
export interface BorrowingFault {
  readonly offset: number
  readonly message: string
}

/**
 * Anchors hold for the documents that follow, as in Go: an alias that its own document has nothing for becomes what an earlier one
 * calls so. `anchors` goes on from document to document.
 */
export function resolveAcrossDocuments(document: Document, anchors: Map<string, Node>): void {
  const own = new Set<string>()
  visit(document, {
    Alias(_, { source }) {
      return own.has(source) ? undefined : anchors.get(source)
    },
    Node(_, node) {
      if (isAlias(node) || node.anchor === undefined) return
      own.add(node.anchor)
      anchors.set(node.anchor, node)
    },
  })
}

const MERGE_TAG = 'tag:yaml.org,2002:merge'
const isMergeText = (key: unknown): key is Scalar => isScalar(key) && key.source === '<<'

/** Quoted, it is a field of that name. */
export const isMerge = ({ key }: Pair): boolean =>
  isScalar(key) &&
  (key.tag === MERGE_TAG || (isMergeText(key) && key.tag === undefined && key.type === Scalar.PLAIN))

/** Merges that Go refuses, or that would merge nothing without a word. */
export function findMergeFaults(document: Document): readonly BorrowingFault[] {
  const faults: BorrowingFault[] = []
  visit(document, {
    Map(_, map) {
      const merges = map.items.filter(isMerge)
      const complain = ({ key }: Pair, message: string): void => {
        faults.push({ offset: (key as Node).range?.[0] ?? 0, message })
      }
      for (const again of merges.slice(1))
        complain(again, 'a second << in one mapping; list what it is to merge, as in <<: [*a, *b]')
      for (const pair of merges)
        if (!isMergeable(document, pair.value)) complain(pair, '<< merges mappings, or a list of them, only')
      for (const pair of map.items)
        if (isMergeText(pair.key) && !isMerge(pair)) complain(pair, 'a << in quotes merges nothing')
    },
  })
  return faults
}

function isMergeable(document: Document, value: unknown): boolean {
  const node = resolved(document, value)
  if (isSeq(node) && !isAlias(value)) return node.items.every((item) => isMap(resolved(document, item)))
  // What is not there at all is told when the document is read.
  return isMap(node) || node === undefined
}

const resolved = (document: Document, value: unknown): unknown =>
  isAlias(value) ? value.resolve(document) : value

/** The pair that decides a field: the mapping's own, else that of the first that it merges. */
function pairOf(document: Document, map: YAMLMap, step: string | number): Pair | undefined {
  const own = map.items.find((pair) => isScalar(pair.key) && pair.key.value === step && !isMerge(pair))
  if (own !== undefined) return own
  for (const { value } of map.items.filter(isMerge)) {
    const node = resolved(document, value)
    for (const source of isSeq(node) ? node.items : [node]) {
      const merged = resolved(document, source)
      const found = isMap(merged) ? pairOf(document, merged, step) : undefined
      if (found !== undefined) return found
    }
  }
  return undefined
}

/** Where a field stands: its key in a mapping, which may be a merged one, the item itself in a list. */
export function offsetOf(document: Document, path: FieldPath): number {
  let node: unknown = document.contents
  let offset = document.contents?.range?.[0] ?? 0
  for (const step of path) {
    node = resolved(document, node)
    if (isMap(node)) {
      const pair = pairOf(document, node, step)
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = (node as Node | undefined)?.range?.[0] ?? offset
    } else break
  }
  return offset
}
