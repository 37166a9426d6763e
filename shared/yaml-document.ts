import { type GenericSchema, type InferOutput, safeParse } from 'valibot'
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
} from 'yaml'
import { messageOf } from './message-of.ts'
import { describeIssue, type FieldPath, fieldName } from './schema-issue.ts'

/** One document of a YAML text, and where things are in it. */
export interface YamlDocument {
  /** Plain data: unchecked. */
  readonly value: unknown
  /** `file:line` of its beginning. */
  readonly place: string
  /** `file:line` of a field; of the nearest thing around it when it is missing. */
  readonly placeOf: (path: FieldPath) => string
}

export interface YamlReading {
  readonly documents: readonly YamlDocument[]
  /** What is no YAML, each as `file:line: what is wrong`. A document with a problem is not among the documents. */
  readonly problems: readonly string[]
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  /** Every one, each as `file:line: field.path: what is wrong`. */
  | { readonly ok: false; readonly problems: readonly string[] }

/** Splits a text into its documents; empty ones do not count. `file` is only for messages. */
export function readDocuments(file: string, text: string): YamlReading {
  const lines = new LineCounter()
  const place = (offset: number): string => `${file}:${Math.max(1, lines.linePos(offset).line)}`
  const documents: YamlDocument[] = []
  const problems: string[] = []
  // Pretty errors would quote the line they are about, and it may hold a secret.
  for (const document of [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })].flat()) {
    const faults = [...document.errors, ...document.warnings]
    problems.push(...faults.map(({ pos, message }) => `${place(pos[0])}: ${withoutQuote(message)}`))
    if (faults.length > 0 || isEmpty(document)) continue
    const placeOf = (path: FieldPath): string => place(offsetOf(document, path))
    try {
      documents.push({ value: document.toJS(), place: placeOf([]), placeOf })
    } catch (error) {
      problems.push(`${placeOf([])}: ${messageOf(error)}`)
    }
  }
  return { documents, problems }
}

/**
 * Checks a document and reports everything that is wrong with it. Unknown fields are wrong where the schema is a
 * `strictObject`. Values are not repeated in messages, except where a schema does so itself.
 */
export function checkDocument<S extends GenericSchema>(
  document: YamlDocument,
  schema: S,
): Checked<InferOutput<S>> {
  const result = safeParse(schema, document.value)
  if (result.success) return { ok: true, value: result.output }
  const problems = result.issues.map((issue) => {
    const { path, text } = describeIssue(issue, schema)
    const name = fieldName(path)
    return `${document.placeOf(path)}: ${name === '' ? '' : `${name}: `}${text}`
  })
  return { ok: false, problems: [...new Set(problems)] }
}

/** Some of the parser's messages end with the text that it stumbled over. */
const withoutQuote = (message: string): string => message.replace(/: ".*$/s, '')

const isEmpty = (document: Document): boolean =>
  document.contents === null || (isScalar(document.contents) && document.contents.source === '')

/** Where a field stands: its key in a mapping, the item itself in a list. */
function offsetOf(document: Document, path: FieldPath): number {
  let node = document.contents as Node | null
  let offset = node?.range?.[0] ?? 0
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document) ?? null
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step)
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      node = pair.value as Node | null
    } else if (isSeq(node)) {
      node = node.items[Number(step)] as Node | null
      offset = node?.range?.[0] ?? offset
    } else break
  }
  return offset
}
