import { bold, dim, green, red, yellow } from './colour.ts'
import type { Echo } from './ping.ts'

/** Who reached whom: a row per sender, a column per target, in the order of `names`. */
export interface Matrix {
  readonly title: string
  readonly names: readonly string[]
  /** Every address of the target that was tried; empty on the diagonal. */
  readonly cells: readonly (readonly (readonly Echo[])[])[]
}

/** Why a pair cannot reach each other and nobody is to blame; undefined when it should. */
export type Explain = (from: string, to: string) => string | undefined

export type CellState = 'self' | 'reached' | 'partly' | 'explained' | 'failed'

export function judgeCell(
  { names, cells }: Matrix,
  row: number,
  column: number,
  explain: Explain,
): CellState {
  if (row === column) return 'self'
  const echoes = cells[row]?.[column] ?? []
  const answered = echoes.filter(({ roundTripMilliseconds }) => roundTripMilliseconds !== undefined).length
  if (answered === echoes.length && answered > 0) return 'reached'
  if (explain(names[row] ?? '', names[column] ?? '') !== undefined) return 'explained'
  return answered > 0 ? 'partly' : 'failed'
}

export interface MatrixSum {
  /** Pairs, counted once per direction. */
  readonly reached: number
  readonly explained: number
  /** Includes pairs that reached only some addresses. */
  readonly failed: number
}

export function sumMatrix(matrix: Matrix, explain: Explain): MatrixSum {
  const states = matrix.names.flatMap((_, row) =>
    matrix.names.map((_, column) => judgeCell(matrix, row, column, explain)),
  )
  const count = (...wanted: CellState[]): number => states.filter((state) => wanted.includes(state)).length
  return { reached: count('reached'), explained: count('explained'), failed: count('failed', 'partly') }
}

/** Each cell shows the slowest of its addresses, or how many of them answered, or that none did. */
export function renderMatrix(matrix: Matrix, explain: Explain): string {
  const { title, names, cells } = matrix
  const width = Math.max(MIN_CELL_WIDTH, ...names.map((name) => name.length)) + 1
  const heading = Math.max(...names.map((name) => name.length))
  const sum = sumMatrix(matrix, explain)
  const pairs = sum.reached + sum.failed + sum.explained
  const lines = [
    `${bold(title)}  ${sum.failed === 0 ? green(`${sum.reached} of ${pairs} pairs`) : red(`${sum.failed} of ${pairs} pairs FAILED`)}${sum.explained > 0 ? yellow(`, ${sum.explained} cannot`) : ''}`,
    dim(`  ${''.padEnd(heading)}${names.map((name) => name.padStart(width)).join('')}`),
    ...names.map((name, row) => {
      const line = names.map((_, column) => {
        const state = judgeCell(matrix, row, column, explain)
        return PAINT[state](cellText(state, cells[row]?.[column] ?? []).padStart(width))
      })
      return `  ${dim(name.padEnd(heading))}${line.join('')}`
    }),
  ]
  return `${lines.join('\n')}\n`
}

/** One line per unordered pair that cannot, with the reason. */
export function renderExplanations(names: readonly string[], explain: Explain): string {
  const lines = names.flatMap((a, index) =>
    names.slice(index + 1).flatMap((b) => {
      const reason = explain(a, b)
      return reason === undefined ? [] : [`  ${yellow('no way')}  ${a} - ${b}: ${reason}`]
    }),
  )
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

const MIN_CELL_WIDTH = 'no way'.length

const PAINT: Record<CellState, (text: string) => string> = {
  self: dim,
  reached: green,
  partly: red,
  explained: yellow,
  failed: red,
}

function cellText(state: CellState, echoes: readonly Echo[]): string {
  switch (state) {
    case 'self':
      return '·'
    case 'explained':
      return 'no way'
    case 'failed':
      return 'FAILED'
    default: {
      const times = echoes
        .map(({ roundTripMilliseconds }) => roundTripMilliseconds)
        .filter((ms) => ms !== undefined)
      return times.length === echoes.length
        ? formatMilliseconds(Math.max(...times))
        : `${times.length}/${echoes.length}`
    }
  }
}

/** Never longer than six characters. */
export function formatMilliseconds(milliseconds: number): string {
  if (milliseconds < 9.95) return `${milliseconds.toFixed(1)} ms`
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`
  return `${(milliseconds / 1000).toFixed(milliseconds < 9_950 ? 1 : 0)} s`
}
