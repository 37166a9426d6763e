import { constants } from 'node:os'
import { basename } from 'node:path'

/** What the console of the emulated machine tells of the files of tests that file.sh runs there. */

export interface FileResult {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  /** Why it is not as it should be; undefined when it is. */
  readonly problem?: string
  /** What it said last, where `problem` says that it ended otherwise than tests do. */
  readonly lastLines: readonly string[]
}

const ENDED = /^ended with (\d+) after (\d+) s$/
const COUNTS = /^(\d+) passed, (\d+) failed, (\d+) skipped$/
const LAST_LINES = 30

/** Of every file that was asked for, also of those that never began. */
export function readConsole(console: string, files: readonly string[]): readonly FileResult[] {
  const lines = console.replaceAll('\r', '').split('\n')
  return files.map((file) => {
    const prefix = `${basename(file, '.test.ts')}: `
    const said = lines.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length))
    if (said.length === 0) return { ...NOTHING, file, problem: 'never began' }
    const last = <T>(pattern: RegExp, read: (match: RegExpExecArray) => T): T | undefined => {
      const match = said.map((line) => pattern.exec(line)).findLast((found) => found !== null)
      return match && read(match)
    }
    const [code, seconds = 0] = last(ENDED, ([, ...numbers]) => numbers.map(Number)) ?? []
    const counts = last(COUNTS, ([, ...numbers]) => numbers.map(Number))
    const [passed = 0, failed = 0, skipped = 0] = counts ?? []
    const problem = problemOf(code, counts !== undefined, { passed, failed, skipped })
    return {
      ...{ file, passed, failed, skipped, seconds },
      ...(problem !== undefined && { problem }),
      lastLines: problem === undefined || failed > 0 ? [] : said.slice(-LAST_LINES),
    }
  })
}

const NOTHING = { passed: 0, failed: 0, skipped: 0, seconds: 0, lastLines: [] }

function problemOf(
  code: number | undefined,
  hasCounts: boolean,
  { passed, failed, skipped }: Pick<FileResult, 'passed' | 'failed' | 'skipped'>,
): string | undefined {
  if (code === undefined) return 'the machine ended before it did'
  if (code === 124) return 'not at an end in time'
  if (code > 128) return `ended by ${signalName(code - 128)}`
  if (!hasCounts) return `ended with ${code}, without a result`
  if (failed > 0) return `${failed} failed`
  if (code !== 0) return `ended with ${code}, though no test failed`
  return passed + skipped > 0 ? undefined : 'no test ran'
}

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`

/** One line per file, below it what one said last that ended otherwise than tests do, and what all have together. */
export function renderResults(results: readonly FileResult[]): string {
  const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
    results.reduce((total, result) => total + result[key], 0)
  const rows = results.map(({ file, passed, failed, skipped, seconds, problem, lastLines }) =>
    [
      `${problem === undefined ? 'ok    ' : 'FAILED'} ${file.padEnd(44)} ${`${seconds}`.padStart(5)} s  ` +
        `${passed} passed, ${failed} failed, ${skipped} skipped${problem === undefined ? '' : `: ${problem}`}`,
      ...lastLines.map((line) => `       | ${line}`),
    ].join('\n'),
  )
  const dead = results.filter(({ problem, failed }) => problem !== undefined && failed === 0).length
  return [
    ...rows,
    `${sum('passed')} passed, ${sum('failed') + dead} failed, ${sum('skipped')} skipped`,
    '',
  ].join('\n')
}
