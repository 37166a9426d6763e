import type { Address } from '../../shared/net/address.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'

/** So many are asked in one sweep; the rest has its turn in the next. */
const ASKED_MAX = 1000
const ANSWER_WITHIN_MS = 400
/** fping's own: some did not answer. */
const SOME_SILENT = 1

/**
 * Who of these answers an echo request now, by one run of `fping`. Undefined when it cannot be asked: `fping` is not
 * installed, or may not open its sockets.
 */
export async function askByEcho(
  host: Pick<Host, 'run'>,
  addresses: readonly Address[],
): Promise<ReadonlySet<Address> | undefined> {
  const asked = addresses.slice(0, ASKED_MAX)
  try {
    await host.run('fping', ['-q', '-C', '1', '-i', '1', '-t', `${ANSWER_WITHIN_MS}`, ...asked])
    return new Set(asked)
  } catch (error) {
    const isOfFping = error instanceof ToolError && error.kind === 'failed'
    return isOfFping && error.exitCode === SOME_SILENT ? answeredIn(error.stderr) : undefined
  }
}

/** Lines like `fd00::1 : 0.42`, or `fd00::2 : -` for no answer. */
const answeredIn = (report: string): ReadonlySet<Address> =>
  new Set([...report.matchAll(/^(\S+)\s*: \d+(?:\.\d+)?$/gm)].map(([, address]) => address as Address))
