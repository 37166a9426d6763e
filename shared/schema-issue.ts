import type { BaseIssue, GenericSchema } from 'valibot'

export type FieldPath = readonly (string | number)[]

/** One thing that is wrong with a value. */
export interface SchemaProblem {
  readonly path: FieldPath
  readonly text: string
}

/** Valibot takes a list for an object with the fields 0, 1, 2…; people do not. */
export function describeIssue(issue: BaseIssue<unknown>, schema: GenericSchema): SchemaProblem {
  const path = pathOf(issue)
  const isListForMapping = issue.type.endsWith('object') && Array.isArray(issue.path?.at(-1)?.input)
  return isListForMapping
    ? { path: path.slice(0, -1), text: 'must be a mapping, not a list' }
    : { path, text: issueText(issue, path, schema) }
}

const pathOf = (issue: BaseIssue<unknown>): FieldPath =>
  (issue.path ?? []).map(({ key }) => (typeof key === 'number' ? key : String(key)))

/** `filters.endpoints[1]`; empty for the whole document. */
export const fieldName = (path: FieldPath): string =>
  path.reduce<string>(
    (name, step) => (typeof step === 'number' ? `${name}[${step}]` : name === '' ? step : `${name}.${step}`),
    '',
  )

/** There is no such field in a `strictObject`. */
export const isUnknownField = ({ type, expected }: BaseIssue<unknown>): boolean =>
  type.endsWith('object') && expected === 'never'

/** What valibot expects, in words of somebody who writes YAML. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['string', 'a text'],
  ['number', 'a number'],
  ['boolean', 'true or false'],
  ['Array', 'a list'],
  ['Object', 'a mapping'],
])

/**
 * What is wrong, in the words of the schema where it has some. Never the value itself, which valibot's own messages
 * repeat: it may be a secret.
 */
function issueText(issue: BaseIssue<unknown>, path: FieldPath, schema: GenericSchema): string {
  if (!issue.message.startsWith('Invalid ')) return issue.message
  const { kind, type, expected, input } = issue
  if (isUnknownField(issue)) return unknownField(knownFields(schema, path.slice(0, -1)))
  if (input === undefined) return 'is required'
  if (kind === 'schema')
    return `must be ${KINDS.get(expected ?? '') ?? listed(expected)}, not ${kindOf(input)}`
  if (type === 'integer') return 'must be a whole number'
  return expected === null ? `is not a valid ${type.replaceAll('_', ' ')}` : `must be ${expected}`
}

/** `("a" | "b")` → `one of "a", "b"`. */
const listed = (expected: string | null): string =>
  expected?.startsWith('(') ? `one of ${expected.slice(1, -1).replaceAll(' | ', ', ')}` : `${expected}`

function kindOf(input: unknown): string {
  if (input === null) return 'empty'
  if (Array.isArray(input)) return 'a list'
  return typeof input === 'string'
    ? 'this text'
    : typeof input === 'object'
      ? 'a mapping'
      : `a ${typeof input}`
}

const unknownField = (known: readonly string[]): string =>
  known.length === 0 ? 'unknown field' : `unknown field; there are ${known.join(', ')}`

/** The fields that the object at this path may have, as far as the schema tells. */
function knownFields(schema: GenericSchema, path: FieldPath): string[] {
  let at = schema as SchemaParts | undefined
  for (const step of path) {
    at = unwrapped(at)
    at = at?.item ?? at?.entries?.[step]
  }
  return Object.keys(unwrapped(at)?.entries ?? {})
}

/** The parts of valibot's schemas that lead to other schemas. */
interface SchemaParts {
  readonly entries?: Readonly<Record<string, SchemaParts>>
  readonly item?: SchemaParts
  readonly wrapped?: SchemaParts
}

function unwrapped(schema: SchemaParts | undefined): SchemaParts | undefined {
  let at = schema
  while (at?.wrapped !== undefined) at = at.wrapped
  return at
}
