import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus, loadavg } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { MeasuredServer } from './process.ts'
import { type Figures, SCENARIOS } from './scenarios.ts'

const USAGE = `usage: npm run -s bench -- [-n ROUNDS] [-s S1,S2,...] [NAME='COMMAND' ...]
  Loads servers of the protocol in turn, and prints the median of each figure and how it stands to the first server.
  COMMAND starts a server in the foreground; {addr} becomes 127.0.0.1:PORT, {cert} and {key} PEM files; a part in [[ ]] is
  for TLS only. The server must believe X-Real-IP from loopback. Without a command it is the one of this repository.
`
const START = resolve(import.meta.dirname, '../../discovery/start.sh')
const OURS =
  `ours='${START}' -addr={addr} -landing-addr= -metrics-addr=127.0.0.1:0 ` +
  '-snapshots-enabled=false [[-certificate-path={cert} -key-path={key}]]'

const { values, positionals } = parseArgs({
  options: {
    rounds: { type: 'string', short: 'n', default: '3' },
    scenarios: { type: 'string', short: 's', default: 'S1,S2,S2c,S3,S4,S5,S6' },
    help: { type: 'boolean', short: 'h', default: false },
  },
  allowPositionals: true,
})
const names = values.scenarios.split(',')
const unknown = names.filter((name) => SCENARIOS[name] === undefined)
const servers = (positionals.length > 0 ? positionals : [OURS]).map((text) => {
  const [, name = '', command = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? []
  return { name, command }
})
if (values.help || unknown.length > 0 || servers.some(({ command }) => command === '')) {
  process.stderr.write(
    unknown.length > 0
      ? `no scenario ${unknown.join(', ')}; there are ${Object.keys(SCENARIOS).join(' ')}\n`
      : USAGE,
  )
  process.exit(values.help ? 0 : 2)
}

const commit = (): string => {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  } catch {
    return 'unknown'
  }
}

process.stdout.write(
  `${new Date().toISOString()}, commit ${commit()}, Node ${process.version}, ` +
    `${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), load ${loadavg()[0]?.toFixed(2)}\n`,
)

const median = (numbers: readonly number[]): number => {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

const round = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

for (const name of names) {
  const scenario = SCENARIOS[name]
  if (scenario === undefined) continue
  const runs = new Map<string, Figures[]>(servers.map((server) => [server.name, []]))
  for (let turn = 0; turn < Number(values.rounds); turn += 1)
    for (const server of turn % 2 === 0 ? servers : servers.toReversed())
      try {
        await using running = await MeasuredServer.start(server.command, scenario.isTls === true)
        runs.get(server.name)?.push(await scenario.run(running))
      } catch (error) {
        process.stdout.write(`${name} ${server.name}: ${error instanceof Error ? error.message : error}\n`)
        process.exitCode = 1
      }
  process.stdout.write(`\n${name}: ${scenario.what}, load ${loadavg()[0]?.toFixed(2)}\n`)
  const [first] = runs.values()
  for (const [server, figures] of runs) {
    const cells = Object.keys(figures[0] ?? {}).map((figure) => {
      const value = median(figures.map((run) => run[figure] as number))
      const base = median((first ?? []).map((run) => run[figure] as number))
      return `${figure} ${round(value)}${figures === first || base === 0 ? '' : ` (x${(value / base).toFixed(2)})`}`
    })
    process.stdout.write(`  ${server.padEnd(10)} ${figures.length} runs | ${cells.join(' | ')}\n`)
  }
}
