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
  host: Pick<Host, 'stream'>,
  addresses: readonly Address[],
): Promise<ReadonlySet<Address> | undefined> {
  const args = [
    '-a',
    '-q',
    '-r',
    '0',
    '-i',
    '1',
    '-t',
    `${ANSWER_WITHIN_MS}`,
    ...addresses.slice(0, ASKED_MAX),
  ]
  const answered = new Set<Address>()
  try {
    for await (const line of host.stream('fping', args, new AbortController().signal))
      answered.add(line.trim() as Address)
  } catch (error) {
    const isOfFping = error instanceof ToolError && error.kind === 'failed'
    if (!isOfFping || error.exitCode !== SOME_SILENT) return undefined
  }
  return answered
}
