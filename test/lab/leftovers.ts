import { existsSync, readlinkSync } from 'node:fs'
import { labDirectory, namespaceInodes, namespacesOf, processesInside } from './cleanup.ts'
import { run } from './process.ts'

/** What a lab could leave behind: things of the machine itself, by kind. */
export type MachineState = Readonly<Record<'link' | 'rule' | 'route' | 'nft table', readonly string[]>>

/** Looks at the machine's own namespace, which a lab has no business in. */
export async function observeMachine(): Promise<MachineState> {
  const ip = async <T>(...args: string[]): Promise<T[]> => {
    const { stdout } = await run(['ip', '-json', ...args])
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[])
  }
  const perFamily = async <T>(...args: string[]): Promise<T[]> =>
    (await Promise.all(['-4', '-6'].map((family) => ip<T>(family, ...args)))).flat()
  const [links, rules, routes, tables] = await Promise.all([
    ip<{ ifname: string }>('link'),
    perFamily<object>('rule'),
    perFamily<{ dst: string; dev?: string; table?: string }>('route', 'show', 'table', 'all'),
    run(['nft', 'list', 'tables']),
  ])
  return {
    link: links.map(({ ifname }) => ifname),
    rule: rules.map((rule) => JSON.stringify(rule)),
    route: routes.map(({ dst, dev, table }) => `${dst} dev ${dev} table ${table ?? 'main'}`),
    'nft table': tables.stdout.split('\n').filter((line) => line !== ''),
  }
}

export interface Tracks {
  readonly id: string
  readonly namespaces: readonly string[]
  readonly before: MachineState
}

/** What to look for when the lab is gone; to be asked while it is there. */
export const rememberTracks = (id: string, before: MachineState): Tracks => ({
  id,
  namespaces: namespaceInodes(namespacesOf(id)),
  before,
})

/** Everything that is there and should not be, in words; empty is how it should be. */
export async function findLeftovers({ id, namespaces, before }: Tracks): Promise<readonly string[]> {
  const own = readlinkSync('/proc/self/ns/net').replace(/\D/g, '')
  const deadline = performance.now() + GONE_WITHIN_MILLISECONDS
  let processes: number[] = []
  do {
    processes = processesInside(namespaces.filter((inode) => inode !== own))
    if (processes.length > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  } while (processes.length > 0 && performance.now() < deadline)
  const now = await observeMachine()
  const added = (Object.keys(now) as (keyof MachineState)[]).flatMap((kind) =>
    now[kind].filter((one) => !before[kind].includes(one)).map((one) => `${kind} ${one}`),
  )
  return [
    ...namespacesOf(id).map((name) => `namespace ${name}`),
    ...processes.map((pid) => `process ${pid}`),
    ...(existsSync(labDirectory(id)) ? [`directory ${labDirectory(id)}`] : []),
    ...added,
  ]
}

/** A killed process needs a moment to be gone. */
const GONE_WITHIN_MILLISECONDS = 2_000
