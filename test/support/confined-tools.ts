import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a confinement lets a tool read on its standard input. */
export type Readable =
  /** As the AppArmor profile of `wg` on Ubuntu 25.04 and later: no file of ours. */
  | 'no-file'
  /** Nothing but pipes and /dev/null, of which the latter is what AppArmor puts in the place of what is refused. */
  | 'pipe-only'

const CONDITIONS: Readonly<Record<Readable, string>> = {
  'no-file': '[ ! -f /proc/self/fd/0 ]',
  'pipe-only': '[ -p /proc/self/fd/0 ] || [ "$(readlink /proc/self/fd/0)" = /dev/null ]',
}

/** Makes a directory of tools that are the real ones, confined. Answers a PATH that begins with it. */
export function confineTools(directory: string, readable: Readable, ...tools: readonly string[]): string {
  mkdirSync(directory, { recursive: true })
  for (const tool of tools) {
    const real = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).stdout.trim()
    const file = join(directory, tool)
    writeFileSync(
      file,
      `#!/bin/sh
if ! { ${CONDITIONS[readable]}; }; then echo 'fopen: Permission denied' >&2; exit 1; fi
exec ${real} "$@"
`,
    )
    chmodSync(file, 0o755)
  }
  return `${directory}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`
}
