import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

/** What the page about other programs says that the operator has to set for one of them. */
export interface PageSettings {
  /** Lines for a shell, as they are pasted. */
  readonly commands: readonly string[]
  /** Fields of a NodeConfig document; undefined: none. */
  readonly nodeConfig: { readonly podCIDRs?: readonly string[] } | undefined
}

const PAGE = 'docs/beside-other-programs.md'

export function settingsOf(program: string): PageSettings {
  const [, after] = readFileSync(PAGE, 'utf8').split(`\n## ${program}\n`)
  if (after === undefined) throw new Error(`${PAGE} has no section "${program}"`)
  const section = after.split('\n## ')[0] ?? ''
  const [, yaml] = /\n```yaml\n(.*?)\n```/s.exec(section) ?? []
  return {
    commands: section
      .split('\n')
      .filter((line) => line.startsWith('    '))
      .map((line) => line.trim()),
    nodeConfig: yaml === undefined ? undefined : parse(yaml),
  }
}
