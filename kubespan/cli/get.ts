import { stringify } from 'yaml'
import type { DaemonView } from '../model/daemon-view.ts'
import type { ResourceRow, ResourceType } from './resources.ts'
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

export const rowsOf = ({ type, id }: GetRequest, view: DaemonView): VersionedRow[] =>
  type
    .rows(view)
    .filter((row) => id === undefined || row.id === id)
    .map((row) => ({ ...row, version: 1 }))

const HEADER = ['NODE', 'NAMESPACE', 'TYPE', 'ID', 'VERSION'] as const

const cellsOf = ({ type, node }: GetRequest, row: VersionedRow): string[] => [
  node,
  type.namespace,
  type.type,
  row.id,
  `${row.version}`,
  ...row.cells,
]

const documentOf = ({ type, node }: GetRequest, row: VersionedRow): object => ({
  node,
  metadata: { namespace: type.namespace, type: type.type, id: row.id, version: row.version },
  spec: row.spec,
})

/** `kubespan get`: the rows in the form that was asked for. */
export function renderRows(request: GetRequest, rows: readonly VersionedRow[]): string {
  switch (request.format) {
    case 'json':
      return rows.map((row) => `${JSON.stringify(documentOf(request, row), undefined, 4)}\n`).join('')
    case 'yaml':
      return rows.map((row) => stringify(JSON.parse(JSON.stringify(documentOf(request, row))))).join('---\n')
    case 'table':
    case 'wide':
      return renderTable(
        [...HEADER, ...request.type.columns],
        rows.map((row) => cellsOf(request, row)),
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

/** Lines of a watch: a mark before each row. JSON and YAML carry it as `event`. */
export function renderChanges(
  request: GetRequest,
  changes: readonly RowChange[],
  withHeader: boolean,
): string {
  if (request.format === 'json' || request.format === 'yaml')
    return changes
      .map(({ mark, row }) => {
        const event = {
          event: { '+': 'created', '~': 'updated', '-': 'destroyed' }[mark],
          ...documentOf(request, row),
        }
        return request.format === 'json'
          ? `${JSON.stringify(event)}\n`
          : `---\n${stringify(JSON.parse(JSON.stringify(event)))}`
      })
      .join('')
  const table = renderTable(
    ['*', ...HEADER, ...request.type.columns],
    changes.map(({ mark, row }) => [mark, ...cellsOf(request, row)]),
  )
  return withHeader ? table : table.slice(table.indexOf('\n') + 1)
}
