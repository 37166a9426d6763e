import type { Milliseconds } from '../../shared/clock.ts'
import type { Address } from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'

/** Who has answered, and after how long. */
export type EchoAnswers = ReadonlyMap<Address, Milliseconds>

/** So many are asked in one sweep; the rest has its turn in the next. */
const ASKED_MAX = 1000
const ANSWER_WITHIN_MS = 400
/** fping's own: some did not answer. */
const SOME_SILENT = 1
const REPORT = /^\S+\s*: (?:-|\d)/m

/**
 * Who of these answers an echo request now, by one run of `fping`. Undefined when it cannot be asked: `fping` is not
 * installed, or may not open its sockets.
 */
export async function askByEcho(
  host: Pick<Host, 'run'>,
  addresses: readonly Address[],
): Promise<EchoAnswers | undefined> {
  const asked = addresses.slice(0, ASKED_MAX)
  try {
    return answeredIn(await host.run('fping', ['-C', '1', '-i', '1', '-t', `${ANSWER_WITHIN_MS}`, ...asked]))
  } catch (error) {
    if (!(error instanceof ToolError) || error.kind !== 'failed' || error.exitCode !== SOME_SILENT)
      return undefined
    // Whatever else ends so has not reported on anybody.
    return REPORT.test(error.stderr) ? answeredIn(error.stderr) : undefined
  }
}

/**
 * Of all that were asked, on its standard error: `fd00::1 : 0.42`, or `fd00::2 : -` for no answer. While it asks, on its
 * standard output: `fd00::1 : [0], 64 bytes, 0.42 ms (0.42 avg, 0% loss)`.
 */
const answeredIn = (report: string): EchoAnswers =>
  new Map(
    [...report.matchAll(/^(\S+)\s*: (?:\[0\], \d+ bytes, )?(\d+(?:\.\d+)?)(?: ms .*)?$/gm)].map(
      ([, address, milliseconds]) => [address as Address, Number(milliseconds)],
    ),
  )
