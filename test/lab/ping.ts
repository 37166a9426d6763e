import { patient } from '../support/patience.ts'
import type { Box } from './box.ts'
import type { LabProcess } from './process.ts'

/** What one echo request came to. */
export interface Echo {
  readonly address: string
  /** Undefined: no answer. */
  readonly roundTripMilliseconds: number | undefined
}

export interface PingOptions {
  /** How often an address that stays silent is tried before it counts as silent. */
  readonly attempts?: number
  readonly timeoutSeconds?: number
}

/** Pings many addresses from one box, all at once. The answer is in the order of `addresses`. */
export async function pingAll(
  from: Box,
  addresses: readonly string[],
  { attempts = 1, timeoutSeconds = 1 }: PingOptions = {},
): Promise<readonly Echo[]> {
  const answers = new Map<string, number>()
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const silent = addresses.filter((address) => !answers.has(address))
    if (silent.length === 0) break
    const script = `for a in ${silent.join(' ')}; do ping -n -c 1 -W ${patient(timeoutSeconds)} $a & done 2>&1; wait`
    const { stdout } = await from.sh(script, { timeoutMilliseconds: 1000 * timeoutSeconds + 20_000 })
    for (const [, address = '', milliseconds] of stdout.matchAll(
      /bytes from ([0-9a-f.:]+): icmp_seq=.* time=([\d.]+) ms/g,
    ))
      answers.set(address, Number(milliseconds))
  }
  return addresses.map((address) => ({ address, roundTripMilliseconds: answers.get(address) }))
}

export interface PingRun {
  readonly sent: number
  readonly received: number
  /** Requests without an answer that were sent before one that has one. */
  readonly lost: number
  /** Requests since then: they may be on their way. */
  readonly pending: number
  /** The longest time between two answers, or between the first answer and one. */
  readonly longestSilenceMilliseconds: number
  /** Wall time of each answer, ascending. */
  readonly answeredAtMilliseconds: readonly number[]
}

/** A ping that runs until it is told to stop. */
export class Pinger implements AsyncDisposable {
  readonly #process: LabProcess

  /** `intervalSeconds` may be as low as 0.01. */
  constructor(from: Box, address: string, intervalSeconds: number) {
    this.#process = from.spawn('ping', ['-n', '-D', '-i', `${intervalSeconds}`, address], {
      name: `ping-${address}-${pingersSoFar++}`,
    })
  }

  /** Waits for the next answer from now on. Returns how long that took. */
  async nextAnswer(timeoutMilliseconds: number): Promise<number> {
    const startedAt = performance.now()
    const before = answers(this.#process.output).length
    while (answers(this.#process.output).length <= before) {
      if (performance.now() - startedAt > patient(timeoutMilliseconds))
        throw new Error(`no answer within ${timeoutMilliseconds} ms:\n${this.#process.output.slice(-500)}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return performance.now() - startedAt
  }

  /** Ends it. The last request is counted as lost only if nothing came back within the grace time. */
  async stop(): Promise<PingRun> {
    await new Promise((resolve) => setTimeout(resolve, patient(LAST_ANSWER_GRACE_MILLISECONDS)))
    await this.#process.stop('SIGINT')
    return parsePingRun(this.#process.output)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}

const LAST_ANSWER_GRACE_MILLISECONDS = 50
let pingersSoFar = 0

const answers = (output: string): number[] =>
  [...output.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .* time=/gm)].map(
    ([, seconds]) => Number(seconds) * 1000,
  )

/** The output of `ping -D` from its start to its summary. */
export function parsePingRun(output: string): PingRun {
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? []
  if (sent === undefined) throw new Error(`not the output of a ping that ended:\n${output.slice(-500)}`)
  const at = answers(output)
  const numbers = [...output.matchAll(/ bytes from .* icmp_seq=(\d+) .*time=/g)].map(([, number]) =>
    Number(number),
  )
  const pending = Number(sent) - numbers.reduce((last, number) => Math.max(last, number), 0)
  const gaps = at.slice(1).map((time, index) => time - (at[index] ?? time))
  return {
    sent: Number(sent),
    received: Number(received),
    lost: Number(sent) - Number(received) - pending,
    pending,
    longestSilenceMilliseconds: Math.max(0, ...gaps),
    answeredAtMilliseconds: at,
  }
}
