import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { compileDaemon } from '../lab/mesh.ts'
import { CASES, type Figure } from './daemon-cases.ts'

const USAGE = `usage: npm run -s bench:daemon -- [OPTIONS]

Measures what a daemon with a thousand peers costs, in network namespaces. The peers are played by one process that
answers handshakes. Needs root. About five minutes.

  --only NAMES   of ${Object.keys(CASES).join(', ')}, with commas between
  --help
`

const say = (text: string): void => void process.stdout.write(`${text}\n`)
const number = (value: number): string => (value < 10 ? value.toFixed(2) : `${Math.round(value)}`)

function row({ title, limit, unit, value, range = '' }: Figure): string {
  const verdict = limit === undefined ? '' : value <= limit ? 'ok' : 'TOO MUCH'
  const most = limit === undefined ? '' : `${limit} ${unit}`
  return `| ${title} | ${most} | ${number(value)} ${unit} | ${range} | ${verdict} |`
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, help: { type: 'boolean', default: false } },
})
if (values.help) say(USAGE)
else {
  const only = values.only?.split(',')
  await compileDaemon()
  const load = loadavg().map((value) => value.toFixed(1))
  say(`${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores, load average ${load.join(' ')}\n`)
  say('| figure | at most | measured | range | |\n|---|---|---|---|---|')
  for (const [name, measure] of Object.entries(CASES)) {
    if (only !== undefined && !only.includes(name)) continue
    for (const figure of await measure()) {
      say(row(figure))
      if (figure.limit !== undefined && figure.value > figure.limit) process.exitCode = 1
    }
  }
}
