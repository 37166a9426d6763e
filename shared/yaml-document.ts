import { type GenericSchema, type InferOutput, safeParse } from 'valibot'
import { type Document, isScalar, LineCounter, type Node, parseAllDocuments, type Tags } from 'yaml'
import { withoutEmpty } from './empty-values.ts'
import { goDecimal } from './go-scalar.ts'
import { messageOf } from './message-of.ts'
import { describeIssue, type FieldPath, fieldName, isUnknownField } from './schema-issue.ts'
import { findMergeFaults, offsetOf, resolveAcrossDocuments } from './yaml-merge.ts'

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
  const options = { lineCounter: lines, prettyErrors: false, merge: true, customTags: asGo }
  const anchors = new Map<string, Node>()
  return [...parseAllDocuments(text, options)].flat().map((document) => {
    resolveAcrossDocuments(document, anchors)
    const faults = [
      ...[...document.errors, ...document.warnings].map(({ pos, message }) => ({
        offset: pos[0],
        message: withoutQuote(message),
      })),
      ...findMergeFaults(document),
    ]
    return { document, faults: faults.map(({ offset, message }) => `${place(offset)}: ${message}`), place }
  })
}

/** Files are shared with programs in Go, so numbers have to be the same. */
const asGo = (tags: Tags): Tags =>
  tags.map((tag) =>
    typeof tag === 'object' && tag.tag === 'tag:yaml.org,2002:int' && !('format' in tag && tag.format)
      ? { ...tag, resolve: goDecimal }
      : tag,
  ) as Tags

const placed = (document: Document, place: Place): YamlDocument => ({
  value: document.toJS(),
  place: place(offsetOf(document, [])),
  placeOf: (path) => place(offsetOf(document, path)),
})

/**
 * Checks a document and reports everything that is wrong with it. Unknown fields are wrong where the schema is a
 * `strictObject`, and what has nothing behind it is as absent. Values are not repeated in messages, except where a schema
 * does so itself.
 */
export function checkDocument<S extends GenericSchema>(
  document: YamlDocument,
  schema: S,
): Checked<InferOutput<S>> {
  const asWritten = safeParse(schema, document.value)
  if (asWritten.success) return { ok: true, value: asWritten.output }
  const filled = withoutEmpty(document.value)
  const result = safeParse(schema, filled.value)
  const described = asWritten.issues.map((issue) => ({ issue, ...describeIssue(issue, schema) }))
  // An unknown field is unknown whatever stands behind it.
  const unknown = described.filter(
    ({ issue, path }) => isUnknownField(issue) && isEmptyAt(document.value, path),
  )
  if (result.success && unknown.length === 0) return { ok: true, value: result.output }
  const faults = (result.issues ?? []).map((issue) => {
    const { path, text } = describeIssue(issue, schema)
    const before = filled.pathBefore(path)
    // That something must be there is said by what stands there.
    const same =
      issue.input === undefined
        ? described.find((one) => fieldName(one.path) === fieldName(before))
        : undefined
    return { path: before, text: same?.text ?? text }
  })
  const problems = [...faults, ...unknown].map(({ path, text }) => {
    const name = fieldName(path)
    return `${document.placeOf(path)}: ${name === '' ? '' : `${name}: `}${text}`
  })
  const wrong = new Set([...faults, ...unknown].map(({ path }) => path[0]))
  const rest = safeParse(schema, without(filled.value, wrong))
  return { ok: false, problems: [...new Set(problems)], usable: rest.success ? rest.output : undefined }
}

const isEmptyAt = (value: unknown, path: FieldPath): boolean =>
  path.reduce<unknown>((at, step) => (at as Record<string | number, unknown>)?.[step], value) === null

const without = (value: unknown, fields: ReadonlySet<unknown>): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([name]) => !fields.has(name)))
    : value

/** Some of the parser's messages end with the text that it stumbled over. */
const withoutQuote = (message: string): string => message.replace(/: ".*$/s, '')

const isEmpty = (document: Document): boolean =>
  document.contents === null || (isScalar(document.contents) && document.contents.source === '')
