import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { compileDaemon } from '../lab/mesh.ts'
import { type Case, casesOf } from './connect-cases.ts'

const USAGE = `usage: npm run -s bench:connect -- [OPTIONS]

Measures in network namespaces how long peers take to connect, and prints the medians. Needs root and fping.

  --runs N       per case; 5 by default, some have fewer
  --only NAMES   of ${casesOf({ isLong: false })
    .map(({ name }) => name)
    .join(', ')}, with commas between
  --long         200 peers for 10 minutes instead of 30 for one
  --help
`

const say = (text: string): void => void process.stdout.write(`${text}\n`)

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** One row of the table. Returns whether the median is within the limit. */
async function bench({ title, limit, unit, measure, ...own }: Case, wanted: number): Promise<boolean> {
  const runs = own.runs ?? wanted
  const values: number[] = []
  for (let run = 0; run < runs; run += 1) values.push(Math.round(await measure()))
  const isGood = median(values) <= limit
  say(
    `| ${title} | ${limit} ${unit} | ${median(values)} ${unit} | ${Math.min(...values)}–${Math.max(...values)} | ${isGood ? 'ok' : 'TOO MUCH'} |`,
  )
  return isGood
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    only: { type: 'string' },
    long: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) say(USAGE)
else {
  const only = values.only?.split(',')
  await compileDaemon()
  say(
    `load average ${loadavg()
      .map((load) => load.toFixed(1))
      .join(' ')}\n`,
  )
  say('| case | at most | median | range | |\n|---|---|---|---|---|')
  for (const one of casesOf({ isLong: values.long }))
    if ((only === undefined || only.includes(one.name)) && !(await bench(one, Number(values.runs))))
      process.exitCode = 1
}
