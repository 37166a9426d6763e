/** Where clusters are kept. */
export type StoreAddress = { readonly kind: 'memory' } | RedisAddress

export interface RedisAddress {
  readonly kind: 'redis'
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string }
  readonly isTls: boolean
  readonly user: string | undefined
  readonly database: number
}

const REDIS_PORT = 6379

/**
 * `memory`, `redis://[USER@]HOST[:PORT][/DATABASE]`, `rediss://…` for TLS, or `redis+unix:/PATH`. A password is in a file,
 * and not here: everybody on the machine may read the arguments of a process.
 */
export function parseStoreAddress(text: string): StoreAddress | undefined {
  if (text === 'memory') return { kind: 'memory' }
  const socket = /^redis\+unix:(?:\/\/)?(\/.+)$/.exec(text)?.[1]
  if (socket !== undefined)
    return { kind: 'redis', at: { path: socket }, isTls: false, user: undefined, database: 0 }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol)) return undefined
  const { hostname, port, username, password, pathname, search, hash } = url
  const database = /^\/?(\d{0,5})$/.exec(pathname)?.[1]
  if (hostname === '' || password !== '' || database === undefined || search !== '' || hash !== '')
    return undefined
  return {
    kind: 'redis',
    at: { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? REDIS_PORT : Number(port) },
    isTls: url.protocol === 'rediss:',
    user: username === '' ? undefined : decodeURIComponent(username),
    database: Number(database),
  }
}

export function formatStoreAddress(address: StoreAddress): string {
  if (address.kind === 'memory') return 'memory'
  const { at, isTls, user, database } = address
  if ('path' in at) return `redis+unix:${at.path}`
  const host = at.host.includes(':') ? `[${at.host}]` : at.host
  const who = user === undefined ? '' : `${encodeURIComponent(user)}@`
  return `redis${isTls ? 's' : ''}://${who}${host}:${at.port}${database === 0 ? '' : `/${database}`}`
}
