import { toJson, toYaml } from './output.ts'
import { canonicalName } from './resources/resource.ts'
import type { ResourceRow, ResourceSource, ResourceType } from './resources.ts'
import { renderTable } from './table.ts'

export type GetFormat = 'table' | 'wide' | 'json' | 'yaml'

export interface GetRequest {
  readonly type: ResourceType
  /** One resource only; undefined for all. */
  readonly id: string | undefined
  readonly format: GetFormat
  /** What the NODE column says. */
  readonly node: string
}

/** How often a row has changed since the daemon started is not kept, so every version is 1 until a watch sees a change. */
export interface VersionedRow extends ResourceRow {
  readonly version: number
}

export const rowsOf = ({ type, id }: GetRequest, source: ResourceSource): VersionedRow[] =>
  type
    .rows(source)
    .filter((row) => id === undefined || row.id === id)
    .map((row) => ({ ...row, version: 1 }))

/** The tables of talosctl and kubectl have three blanks between columns. */
const GAP = '   '

/** The mark of an event stands behind the node, as talosctl has it. */
const headerOf = ({ type }: GetRequest, withMark: boolean): string[] => [
  'NODE',
  ...(withMark ? ['*'] : []),
  ...['NAMESPACE', 'TYPE', 'ID', 'VERSION'],
  ...type.columns,
]

const cellsOf = ({ type, node }: GetRequest, row: VersionedRow, mark?: string): string[] => [
  node,
  ...(mark === undefined ? [] : [mark]),
  type.namespace,
  type.type,
  row.id,
  `${row.version}`,
  ...row.cells,
]

const documentOf = ({ type, node }: GetRequest, row: VersionedRow, event?: string): object => ({
  node,
  ...(event === undefined ? {} : { event }),
  metadata: {
    namespace: type.namespace,
    type: canonicalName(type),
    id: row.id,
    version: row.version,
    phase: 'running',
  },
  spec: row.spec,
})

/** `kubespan get`: the rows in the form that was asked for; JSON and YAML as one document for each. */
export function renderRows(request: GetRequest, rows: readonly VersionedRow[]): string {
  switch (request.format) {
    case 'json':
      return rows.map((row) => toJson(documentOf(request, row), 4)).join('')
    case 'yaml':
      return rows.map((row) => toYaml(documentOf(request, row))).join('---\n')
    case 'table':
    case 'wide':
      return renderTable(
        headerOf(request, false),
        rows.map((row) => cellsOf(request, row)),
        GAP,
      )
    default:
      return request.format satisfies never
  }
}

export interface RowChange {
  /** `+` appeared, `~` changed, `-` gone. */
  readonly mark: '+' | '~' | '-'
  readonly row: VersionedRow
}

/** What `--watch` shows: the rows that differ from the last view, with versions counted up. */
export function diffRows(
  before: readonly VersionedRow[],
  after: readonly VersionedRow[],
): { changes: RowChange[]; rows: VersionedRow[] } {
  const was = new Map(before.map((row) => [row.id, row]))
  const is = new Set(after.map(({ id }) => id))
  const changes: RowChange[] = before
    .filter(({ id }) => !is.has(id))
    .map((row) => ({ mark: '-' as const, row }))
  const rows = after.map((row) => {
    const old = was.get(row.id)
    if (old === undefined) {
      changes.push({ mark: '+', row })
      return row
    }
    const isSame = JSON.stringify([old.cells, old.spec]) === JSON.stringify([row.cells, row.spec])
    const next = { ...row, version: old.version + (isSame ? 0 : 1) }
    if (!isSame) changes.push({ mark: '~', row: next })
    return next
  })
  return { changes, rows }
}

const EVENTS = { '+': 'created', '~': 'updated', '-': 'destroyed' } as const

/** Lines of a watch. JSON has one event on each line, so that programs can read them as they come. */
export function renderChanges(
  request: GetRequest,
  changes: readonly RowChange[],
  withHeader: boolean,
): string {
  switch (request.format) {
    case 'json':
      return changes.map(({ mark, row }) => toJson(documentOf(request, row, EVENTS[mark]), 0)).join('')
    case 'yaml':
      return changes.map(({ mark, row }) => `---\n${toYaml(documentOf(request, row, EVENTS[mark]))}`).join('')
    case 'table':
    case 'wide': {
      const table = renderTable(
        headerOf(request, true),
        changes.map(({ mark, row }) => cellsOf(request, row, mark)),
        GAP,
      )
      return withHeader ? table : table.slice(table.indexOf('\n') + 1)
    }
    default:
      return request.format satisfies never
  }
}
