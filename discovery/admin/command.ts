import { formatDuration } from '../../shared/duration.ts'
import { type FlagInput, flag, readFlags } from '../../shared/flags.ts'
import {
  formatListenAddress,
  type ListenAddress,
  parseListenAddress,
} from '../../shared/net/listen-address.ts'
import type { AffiliateView, ClusterView, Forgotten } from './api.ts'
import { askAdmin } from './client.ts'
import { parseToken } from './token.ts'

/** The outside of `discovery-service admin …`. */
export interface AdminWorld {
  readonly environment: FlagInput['environment']
  readonly readFile: (path: string) => Buffer
  readonly print: (text: string) => void
  /** For what went wrong. */
  readonly complain: (text: string) => void
}

/** What the flags of the service itself say, which need not be said twice. */
export interface AdminDefaults {
  readonly adminAddr: ListenAddress | null
  readonly adminTokenFile: string
}

const EXIT_FAILURE = 1
const EXIT_USAGE = 2

const COMMANDS = `Commands:
  clusters                     list the clusters, each by the SHA-256 of its id
  affiliates CLUSTER           list what is known in a cluster
  forget CLUSTER [AFFILIATE]   remove an affiliate, or all of the cluster

CLUSTER is the hash, or its first digits, at least the eight that logs show.
`

const adminFlags = ({ adminAddr, adminTokenFile }: AdminDefaults) => ({
  addr: flag.parsed<ListenAddress | null>(adminAddr, 'where the service has its admin API', {
    placeholder: 'ADDRESS',
    allowed: 'an address such as unix:/run/x.sock or 127.0.0.1:3005',
    parse: parseListenAddress,
    format: (address) => (address === null ? '' : formatListenAddress(address)),
  }),
  tokenFile: flag.text(adminTokenFile, 'file with the token', 'FILE'),
  output: flag.choice('table', 'how to print', ['table', 'json']),
})

/** Runs one command against a running service. Answers the exit status. */
export async function runAdmin(
  words: readonly string[],
  defaults: AdminDefaults,
  world: AdminWorld,
): Promise<number> {
  const reading = readFlags(adminFlags(defaults), {
    program: 'discovery-service admin',
    about: 'Looks into a running service, and removes what should not be there.',
    arguments: words,
    environment: world.environment,
    environmentPrefix: 'DISCOVERY_ADMIN_',
    operands: 'COMMAND',
  })
  if (reading.kind === 'help') {
    world.print(`${reading.text}\n${COMMANDS}`)
    return 0
  }
  if (reading.kind === 'error') return usage(world, reading.message)
  const { addr, tokenFile, output } = reading.values
  if (addr === null) return usage(world, '-addr: say where the service has its admin API')
  const order = orderOf(reading.operands)
  if (order === undefined) return usage(world, `no such command\n\n${COMMANDS}`)
  try {
    const token = tokenFile === '' ? undefined : parseToken([world.readFile(tokenFile)])
    const answer = await askAdmin({ at: addr, token }, order.method, order.path)
    world.print(output === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : order.render(answer))
    return 0
  } catch (error) {
    world.complain(`discovery-service admin: ${(error as Error).message}\n`)
    return EXIT_FAILURE
  }
}

function usage(world: AdminWorld, message: string): number {
  world.complain(`discovery-service admin: ${message}\n`)
  return EXIT_USAGE
}

interface Order {
  readonly method: 'GET' | 'DELETE'
  readonly path: readonly string[]
  readonly render: (answer: unknown) => string
}

function orderOf([command, cluster, affiliate, ...more]: readonly string[]): Order | undefined {
  if (more.length > 0) return undefined
  if (command === 'clusters' && cluster === undefined)
    return { method: 'GET', path: ['clusters'], render: (answer) => clusterTable(answer as ClusterView[]) }
  if (cluster === undefined) return undefined
  if (command === 'affiliates' && affiliate === undefined)
    return {
      method: 'GET',
      path: ['clusters', cluster, 'affiliates'],
      render: (answer) => affiliateTable(answer as AffiliateView[]),
    }
  if (command !== 'forget') return undefined
  return {
    method: 'DELETE',
    path: ['clusters', cluster, ...(affiliate === undefined ? [] : ['affiliates', affiliate])],
    render: (answer) => `${(answer as Forgotten).affiliates} affiliates forgotten\n`,
  }
}

const TAG_CHARACTERS = 16

const clusterTable = (views: readonly ClusterView[]): string =>
  table([
    ['CLUSTER', 'AFFILIATES', 'ENDPOINTS'],
    ...views.map(({ cluster, affiliates, endpoints }) => [
      cluster.slice(0, TAG_CHARACTERS),
      `${affiliates}`,
      `${endpoints}`,
    ]),
  ])

const affiliateTable = (views: readonly AffiliateView[]): string =>
  table([
    ['AFFILIATE', 'DATA', 'ENDPOINTS', 'REFRESHED', 'EXPIRES IN'],
    ...views.map(({ id, dataBytes, endpoints, refreshedSecondsAgo, expiresInSeconds }) => [
      printable(id),
      `${dataBytes} B`,
      `${endpoints}`,
      refreshedSecondsAgo === null ? 'before start' : `${formatDuration(refreshedSecondsAgo * 1000)} ago`,
      formatDuration(expiresInSeconds * 1000),
    ]),
  ])

/** Anybody may choose an id; a terminal should not obey it. */
const printable = (id: string): string => id.replace(/[\p{C}\p{Z}]/gu, '?')

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
