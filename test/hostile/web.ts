import { createServer, get } from 'node:http'
import type { Box } from '../lab/box.ts'
import { waitForListener } from '../lab/discovery.ts'
import type { LabProcess } from '../lab/process.ts'

/**
 * Pages between hosts, each over a connection of its own. This file is also the program that runs in the boxes:
 * `web.ts serve PORT` and `web.ts visit URL`.
 */

export interface Visits {
  readonly served: number
  readonly failed: number
}

export class WebServer implements AsyncDisposable {
  readonly #process: LabProcess

  private constructor(process: LabProcess) {
    this.#process = process
  }

  static async start(box: Box, port: number): Promise<WebServer> {
    const name = `web-serve-${port}`
    const server = box.spawn(process.execPath, [import.meta.filename, 'serve', `${port}`], { name })
    await waitForListener(box, server, port)
    return new WebServer(server)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

/** Asks for a page five times a second until it is stopped. */
export class WebVisitor implements AsyncDisposable {
  readonly #process: LabProcess

  private constructor(process: LabProcess) {
    this.#process = process
  }

  /** Resolves when the first page has come. */
  static async start(box: Box, url: string): Promise<WebVisitor> {
    const name = `web-visit-${visitors++}`
    const visitor = box.spawn(process.execPath, [import.meta.filename, 'visit', url], { name })
    await visitor.waitFor(/^served$/m)
    return new WebVisitor(visitor)
  }

  async stop(): Promise<Visits> {
    await this.#process.stop('SIGTERM')
    const count = (word: string): number => this.#process.output.split(`${word}\n`).length - 1
    return { served: count('served'), failed: count('failed') }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

let visitors = 0
const VISIT_EVERY_MS = 200
/** TCP sends what was lost again after a second, and then after two. */
const PATIENT_FOR_MS = 3_500

const say = (word: string): void => void process.stdout.write(`${word}\n`)

function visit(url: string): void {
  const request = get(url, { agent: false, timeout: PATIENT_FOR_MS }, (response) => {
    response.resume().on('end', () => say(response.statusCode === 200 ? 'served' : 'failed'))
  })
  request.on('timeout', () => request.destroy(new Error('no answer')))
  request.on('error', () => say('failed'))
}

if (import.meta.main) {
  const [role, what = ''] = process.argv.slice(2)
  if (role === 'serve') createServer((_, response) => response.end('a page')).listen(Number(what))
  else setInterval(visit, VISIT_EVERY_MS, what)
}
