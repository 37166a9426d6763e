import type { Box } from './box.ts'
import type { LabProcess } from './process.ts'

/**
 * Packets as tcpdump prints them, one line each, for looking at what the counters of the wan only count. tcpdump may
 * miss packets under load: whatever must not be missed is a matter for `Lab.counts`.
 */
export class Capture implements AsyncDisposable {
  readonly #process: LabProcess

  private constructor(process: LabProcess) {
    this.#process = process
  }

  /** `filter` in the language of tcpdump; `device` may be `any`. */
  static async start(box: Box, device: string, filter: string): Promise<Capture> {
    const name = `capture-${captures++}`
    const process = box.spawn('tcpdump', ['--immediate-mode', '-lnni', device, ...filter.split(' ')], {
      name,
    })
    await process.waitFor(/listening on/)
    return new Capture(process)
  }

  async stop(): Promise<readonly string[]> {
    await this.#process.stop('SIGINT')
    return this.#process.output.split('\n').filter((line) => /^\d\d:\d\d:\d\d\.\d+ /.test(line))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

let captures = 0
