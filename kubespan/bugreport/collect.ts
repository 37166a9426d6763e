import type { Runner, Tool } from '../host/runner.ts'
import type { Placement } from '../model/desired.ts'
import type { TarEntry } from './tar.ts'

export interface CollectOptions {
  readonly runner: Pick<Runner, 'run'>
  readonly placement: Placement
  /** The last so many lines of the journal. */
  readonly logLines: number
}

/** What is asked of the host; `{…}` are names of the placement. No answer to any of these holds a key that is secret. */
const QUESTIONS: readonly (readonly [name: string, tool: Tool, args: string])[] = [
  ['ip-version', 'ip', '-V'],
  ['ip-address', 'ip', '-details address show'],
  ['ip-rule-4', 'ip', '-4 rule show'],
  ['ip-rule-6', 'ip', '-6 rule show'],
  ['ip-route-4', 'ip', '-4 route show'],
  ['ip-route-6', 'ip', '-6 route show'],
  ['ip-route-mesh-4', 'ip', '-4 route show table {table}'],
  ['ip-route-mesh-6', 'ip', '-6 route show table {table}'],
  ['nft-version', 'nft', '--version'],
  ['nft-table', 'nft', 'list table inet {nft}'],
  ['nft-chains', 'nft', 'list chains'],
  ['wg-version', 'wg', '--version'],
  ['wg-show', 'wg', 'show all'],
  ['wireguard-go-version', 'wireguard-go', '--version'],
  ['timedatectl', 'timedatectl', 'show'],
  [
    'journal',
    'journalctl',
    '--unit=kubespan --unit=kubespan-wireguard --no-pager --output=cat --lines={lines}',
  ],
]

/** The answers as files; a tool that is not there, or refuses, is an answer too. */
export async function collectToolOutputs(options: CollectOptions): Promise<readonly TarEntry[]> {
  const { runner, placement, logLines } = options
  const words: Readonly<Record<string, string>> = {
    '{table}': `${placement.routingTable}`,
    '{nft}': placement.nftTable,
    '{lines}': `${logLines}`,
  }
  return await Promise.all(
    QUESTIONS.map(async ([name, tool, text]) => {
      const line = text.replace(/\{\w+\}/g, (word) => words[word] ?? word)
      const answer = await runner.run(tool, line.split(' ')).catch((error: unknown) => `${String(error)}\n`)
      return { name: `tools/${name}.txt`, content: `$ ${tool} ${line}\n${answer}` }
    }),
  )
}
