import assert from 'node:assert/strict'
import { readConfig } from '../../discovery/config.ts'
import { Service } from '../../discovery/service.ts'
import { type Clock, systemClock } from '../../shared/clock.ts'
import { createLogger } from '../../shared/log.ts'

/** The service in this process, on a free loopback port. */
export interface StartedService extends AsyncDisposable {
  readonly service: Service
  readonly endpoint: string
  /** Lines of the log, parsed. */
  readonly log: Readonly<Record<string, unknown>>[]
}

/** Without flags it keeps nothing and serves no pages. */
export async function startService(
  flags: readonly string[] = [],
  clock: Clock = systemClock,
): Promise<StartedService> {
  const reading = readConfig({
    arguments: [
      '-addr=127.0.0.1:0',
      '-landing-addr=',
      '-metrics-addr=',
      '-snapshots-enabled=false',
      ...flags,
    ],
    environment: {},
    readFile: () => assert.fail('no file is needed'),
  })
  assert.ok(reading.kind === 'config', JSON.stringify(reading))
  const log: Record<string, unknown>[] = []
  const write = (lines: string): void => {
    for (const line of lines.split('\n')) if (line !== '') log.push(JSON.parse(line))
  }
  const { config } = reading
  const service = await Service.start({
    config,
    clock,
    log: createLogger('debug', { write }),
    writeLines: write,
  })
  return {
    service,
    endpoint: `127.0.0.1:${service.port}`,
    log,
    [Symbol.asyncDispose]: () => service[Symbol.asyncDispose](),
  }
}
