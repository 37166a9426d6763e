import { readFileSync } from 'node:fs'
import { systemClock } from '../shared/clock.ts'
import { createLogger } from '../shared/log.ts'
import { ownVersion } from '../shared/version.ts'
import { readConfig } from './config.ts'
import { Service } from './service.ts'

const EXIT_FAILURE = 1
/** A flag, a variable or the configuration file is wrong. */
const EXIT_USAGE = 2

const reading = readConfig({
  arguments: process.argv.slice(2),
  environment: process.env,
  readFile: (path) => readFileSync(path, 'utf8'),
})

switch (reading.kind) {
  case 'help':
    process.stdout.write(reading.text)
    break
  case 'version':
    process.stdout.write(`discovery-service ${ownVersion()}\n`)
    break
  case 'error':
    process.stderr.write(`discovery-service: ${reading.message}\n`)
    process.exitCode = EXIT_USAGE
    break
  case 'config': {
    const { config } = reading
    const log = createLogger(config.debug ? 'debug' : config.logLevel)
    try {
      const service = await Service.start({ config, clock: systemClock, log })
      log.info({ version: ownVersion(), port: service.port }, 'discovery service started')
      const signal = await new Promise<NodeJS.Signals>((resolve) => {
        process.once('SIGTERM', resolve)
        process.once('SIGINT', resolve)
      })
      log.info({ signal }, 'discovery service stops')
      await service[Symbol.asyncDispose]()
    } catch (error) {
      process.stderr.write(`discovery-service: ${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = EXIT_FAILURE
    }
  }
}
