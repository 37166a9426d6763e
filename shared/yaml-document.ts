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
  | {
      readonly ok: false
      readonly problems: readonly string[]
      /** The document without its top-level fields that are wrong; undefined where it cannot do without them. */
      readonly usable: T | undefined
    }

/** Splits a text into its documents; empty ones do not count. `file` is only for messages. */
export function readDocuments(file: string, text: string): YamlReading {
  const documents: YamlDocument[] = []
  const problems: string[] = []
  for (const { document, faults, place } of parseDocuments(file, text)) {
    problems.push(...faults)
    if (faults.length > 0 || isEmpty(document)) continue
    try {
      documents.push(placed(document, place))
    } catch (error) {
      problems.push(`${place(offsetOf(document, []))}: ${messageOf(error)}`)
    }
  }
  return { documents, problems }
}

/** What can be made out of the documents that have problems, for those who want single fields of them all the same. */
export const readDamagedDocuments = (file: string, text: string): readonly YamlDocument[] =>
  parseDocuments(file, text).flatMap(({ document, faults, place }) => {
    if (faults.length === 0 || isEmpty(document)) return []
    try {
      return [placed(document, place)]
    } catch {
      return []
    }
  })

/** The place of an offset, as `file:line`. */
type Place = (offset: number) => string

interface ParsedDocument {
  readonly document: Document
  readonly faults: readonly string[]
  readonly place: Place
}

function parseDocuments(file: string, text: string): readonly ParsedDocument[] {
  const lines = new LineCounter()
  const place: Place = (offset) => `${file}:${Math.max(1, lines.linePos(offset).line)}`
  // Pretty errors would quote the line they are about, and it may hold a secret.
  const parsed = [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })].flat()
  return parsed.map((document) => ({
    document,
    faults: [...document.errors, ...document.warnings].map(
      ({ pos, message }) => `${place(pos[0])}: ${withoutQuote(message)}`,
    ),
    place,
  }))
}

const placed = (document: Document, place: Place): YamlDocument => ({
  value: document.toJS(),
  place: place(offsetOf(document, [])),
  placeOf: (path) => place(offsetOf(document, path)),
})

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
  const wrong = new Set(result.issues.map((issue) => describeIssue(issue, schema).path[0]))
  const rest = safeParse(schema, without(document.value, wrong))
  return { ok: false, problems: [...new Set(problems)], usable: rest.success ? rest.output : undefined }
}

const without = (value: unknown, fields: ReadonlySet<unknown>): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => !fields.has(name)))
    : value

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
