import { spawn } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, delimiter, resolve } from 'node:path'

/**
 * Runs the stages of `make test` in order and closes with one line that counts every test.
 * `bin/node test/run.ts` runs all; `bin/node test/run.ts unit lint` runs the ones named.
 */

const COVERED = ['discovery/**/*.ts', 'kubespan/**/*.ts', 'shared/**/*.ts']
/** Process edges: exercised by the end-to-end tests as processes of their own, where coverage does not reach. */
const NOT_COVERED = ['**/main.ts', 'proto/gen/**', 'test/**']
const COVERAGE_THRESHOLD_PERCENT = 90

interface Stage {
  readonly command: readonly string[]
  /** Stages that count tests close with `N passed, N failed`. A stage of this kind that ran none is a failure. */
  readonly counts: boolean
}

/** What takes longest begins first, so that nothing long is left alone at the end. */
const LONGEST = ['kubernetes', 'leak', 'beside', 'purge', 'readme', 'clone', 'ownership', 'lossy', 'local']
const lengthOf = (file: string): number =>
  LONGEST.length - (LONGEST.indexOf(basename(file, '.test.ts')) + 1 || LONGEST.length + 1)
const longestFirst = (one: string, other: string): number =>
  lengthOf(other) - lengthOf(one) || (one < other ? -1 : 1)

const nodeTest = (pattern: string, ...options: string[]): Stage => ({
  command: [
    process.execPath,
    '--test',
    ...options,
    '--test-reporter=./test/support/reporter.ts',
    '--test-reporter-destination=stdout',
    ...globSync(pattern).sort(longestFirst),
  ],
  counts: true,
})

/** Tests that mostly wait: more of them than the two cores that the project is tested on. */
const WAITING = '--test-concurrency=3'

const scripts: Readonly<Record<string, string>> = JSON.parse(readFileSync('package.json', 'utf8')).scripts

/** What `npm run NAME` does, without npm: a distribution's own npm may not work with the Node that is first on PATH here. */
const npmScript = (name: string): Stage => ({
  command: ['sh', '-c', scripts[name] ?? 'exit 1'],
  counts: false,
})

const stages: Record<string, () => Stage> = {
  lint: () => npmScript('lint'),
  check: () => npmScript('check'),
  gen: () => npmScript('gen:check'),
  unit: () =>
    nodeTest(
      'test/unit/**/*.test.ts',
      '--test-isolation=none',
      '--test-timeout=60000',
      '--experimental-test-coverage',
      ...COVERED.map((glob) => `--test-coverage-include=${glob}`),
      ...NOT_COVERED.map((glob) => `--test-coverage-exclude=${glob}`),
      ...['lines', 'functions', 'branches'].map(
        (what) => `--test-coverage-${what}=${COVERAGE_THRESHOLD_PERCENT}`,
      ),
    ),
  vectors: () => ({
    command: [process.execPath, 'test/conformance/vectors.ts', 'test/vectors'],
    counts: true,
  }),
  conformance: () => nodeTest('test/conformance/*.test.ts', '--test-timeout=300000', '--test-concurrency=2'),
  integration: () => nodeTest('test/integration/**/*.test.ts', '--test-timeout=300000', WAITING),
  abuse: () => nodeTest('test/{fuzz,soak}/*.test.ts', '--test-timeout=900000', '--test-concurrency=2'),
  interop: () => nodeTest('test/interop/*.test.ts', '--test-timeout=300000', '--test-concurrency=1'),
  e2e: () => nodeTest('test/e2e/**/*.test.ts', '--test-timeout=300000', WAITING),
  hostile: () => nodeTest('test/hostile/*.test.ts', '--test-timeout=300000', WAITING),
}

interface Result {
  readonly name: string
  readonly ok: boolean
  readonly seconds: number
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

async function runStage(name: string, { command, counts }: Stage): Promise<Result> {
  const startedAt = performance.now()
  process.stdout.write(`\n== ${name}\n`)
  const [tool = '', ...args] = command
  const child = spawn(tool, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      PATH: [resolve('bin'), resolve('node_modules/.bin'), process.env.PATH].join(delimiter),
    },
  })
  let tail = ''
  const totals = { passed: 0, failed: 0, skipped: 0 }
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    process.stdout.write(chunk)
    tail += chunk
    const lines = tail.split('\n')
    tail = lines.pop() ?? ''
    for (const line of lines) {
      const match = /^(?:\S+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/.exec(line)
      if (match === null) continue
      totals.passed += Number(match[1])
      totals.failed += Number(match[2])
      totals.skipped += Number(match[3] ?? 0)
    }
  })
  const status = await new Promise<number>((done) => child.on('close', (code) => done(code ?? 1)))
  const ranNothing = counts && totals.passed + totals.failed + totals.skipped === 0
  if (ranNothing) process.stdout.write(`${name}: no test ran\n`)
  return {
    name,
    ok: status === 0 && !ranNothing && totals.failed === 0,
    seconds: (performance.now() - startedAt) / 1000,
    ...totals,
  }
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => stages[name] === undefined)
if (unknown.length > 0) {
  process.stderr.write(`no stage named ${unknown.join(', ')}; there are: ${Object.keys(stages).join(' ')}\n`)
  process.exit(2)
}

const results: Result[] = []
for (const [name, stage] of Object.entries(stages))
  if (wanted.length === 0 || wanted.includes(name)) results.push(await runStage(name, stage()))

process.stdout.write('\n')
for (const { name, ok, seconds, passed, failed, skipped } of results)
  process.stdout.write(
    `${ok ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${seconds.toFixed(1).padStart(6)} s` +
      `${passed + failed + skipped > 0 ? `  ${passed} passed, ${failed} failed, ${skipped} skipped` : ''}\n`,
  )
const sum = (key: 'passed' | 'failed' | 'skipped'): number =>
  results.reduce((total, result) => total + result[key], 0)
const brokenStages = results.filter(({ ok, failed }) => !ok && failed === 0).length
process.stdout.write(
  `${sum('passed')} passed, ${sum('failed') + brokenStages} failed, ${sum('skipped')} skipped\n`,
)
process.exit(results.every(({ ok }) => ok) ? 0 : 1)
