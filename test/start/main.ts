import { BareMachine } from './bare-machine.ts'
import { CLONE, commandsOf } from './readme.ts'

/**
 * `npm run -s test:bare`: a Debian 12 with nothing on it, a clone, and what the README says to see it work, `make test`
 * included. The exit status is that of the first line that fails.
 */

const whyNot = BareMachine.whyNot()
if (whyNot !== undefined) {
  process.stderr.write(`test:bare: ${whyNot}\n`)
  process.exit(1)
}
const [install = '', ...commands] = commandsOf('See it work')
await using machine = await BareMachine.start(install)
await machine.shell(`git clone -q ${machine.origin} ${CLONE}`)
for (const line of commands) {
  process.stdout.write(`\n# ${line}\n`)
  const startedAt = performance.now()
  const status = machine.attach(line, { cwd: CLONE, network: 'host' })
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0)
  process.stdout.write(`# status ${status} after ${seconds} s\n`)
  process.exitCode = status
  if (status !== 0) break
}
