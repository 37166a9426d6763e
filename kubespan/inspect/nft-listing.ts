import type { Runner } from '../host/runner.ts'
import { ToolError } from '../host/tool-error.ts'
import type { ChainView, SetView } from '../model/host-view.ts'

export interface NftListing {
  readonly chains: readonly (Omit<ChainView, 'id'> & { readonly name: string })[]
  readonly sets: readonly (Omit<SetView, 'id'> & { readonly name: string })[]
}

/** Our table in the words of `nft`, for people; undefined when there is none. */
export async function observeListing(runner: Runner, table: string): Promise<NftListing | undefined> {
  try {
    return parseListing(await runner.run('nft', ['-y', 'list', 'table', 'inet', table]))
  } catch (error) {
    if (error instanceof ToolError && /No such file or directory/.test(error.stderr)) return undefined
    throw error
  }
}

const BLOCK = /^\t(chain|set) (\S+) \{\n([\s\S]*?)^\t\}$/gm
const HEAD = /^type (\w+) hook (\w+) priority (\S+?); policy (\w+);$/
/** By which a rule of ours is known; it says nothing to people. */
const MARKER = / comment "kubespan [0-9a-f]+"$/

/** `nft -y list table`, whose -y prints priorities as numbers. */
export function parseListing(text: string): NftListing {
  const chains: NftListing['chains'][number][] = []
  const sets: NftListing['sets'][number][] = []
  for (const [, what, name = '', body = ''] of text.matchAll(BLOCK)) {
    const lines = body.split('\n').map((line) => line.trim())
    if (what === 'chain') {
      const head = lines.find((line) => HEAD.test(line)) ?? ''
      const [, type = '', hook = '', priority, policy = ''] = HEAD.exec(head) ?? []
      chains.push({
        name,
        type,
        hook,
        priority: priority === undefined ? undefined : Number(priority),
        policy,
        rules: lines.filter((line) => line !== '' && line !== head).map((line) => line.replace(MARKER, '')),
      })
    } else
      sets.push({
        name,
        type: /^\s*type (.*)$/m.exec(body)?.[1] ?? '',
        elements: elementsOf(body),
      })
  }
  return { chains, sets }
}

/** `elements = { a, b }`, over several lines when it is long. */
export function elementsOf(text: string): string[] {
  const list = /elements = \{([^}]*)\}/.exec(text)?.[1] ?? ''
  return list
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '')
}
