import { readFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { destination } from 'pino'
import { systemClock } from '../shared/clock.ts'
import { createLogger } from '../shared/log.ts'
import { messageOf } from '../shared/message-of.ts'
import { ownVersion } from '../shared/version.ts'
import { runAdmin } from './admin/command.ts'
import { type Config, readConfig } from './config.ts'
import { Service } from './service.ts'
import { warmUp } from './warm-up/warm-up.ts'

const EXIT_OK = 0
const EXIT_FAILURE = 1
/** A flag, a variable or the configuration file is wrong. */
const EXIT_USAGE = 2
const STANDARD_ERROR = 2

const complain = (text: string): void => void process.stderr.write(text)
const print = (text: string): void => void process.stdout.write(text)

async function main(): Promise<number> {
  const reading = readConfig({
    arguments: process.argv.slice(2),
    environment: process.env,
    readFile: (path) => readFileSync(path, 'utf8'),
  })
  switch (reading.kind) {
    case 'help':
      print(reading.text)
      return EXIT_OK
    case 'version':
      print(`discovery-service ${ownVersion()}\n`)
      return EXIT_OK
    case 'error':
      complain(`discovery-service: ${reading.message}\n`)
      return EXIT_USAGE
    case 'config': {
      const [command, ...words] = reading.operands
      if (command === undefined) return await serve(reading.config)
      if (command === 'admin')
        return await runAdmin(words, reading.config, {
          environment: process.env,
          readFile: readFileSync,
          print,
          complain,
        })
      complain(`discovery-service: unknown command "${command}"; there is admin\n`)
      return EXIT_USAGE
    }
  }
}

/** Until SIGTERM or SIGINT. */
async function serve(config: Config): Promise<number> {
  const output = destination(STANDARD_ERROR)
  const log = createLogger(config.debug ? 'debug' : config.logLevel, output)
  const signalled = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  try {
    await warmUp(systemClock, config)
    const service = await Service.start({
      config,
      clock: systemClock,
      log,
      writeLines: (lines) => void output.write(lines),
    })
    log.info({ version: ownVersion(), port: service.port }, 'discovery service started')
    flushCompileCache() // now, not at the end: it may be killed, and starts faster and smaller with it
    const signal = await signalled
    log.info({ signal }, 'discovery service stops')
    await service[Symbol.asyncDispose]()
    return EXIT_OK
  } catch (error) {
    complain(`discovery-service: ${messageOf(error)}\n`)
    process.exit(EXIT_FAILURE) // at once: a disk that hangs would keep the process for ever
  }
}

process.exitCode = await main()
