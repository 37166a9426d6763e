import { familyOf, parseAddress } from './address.ts'

/** Where a server listens: a TCP port (on all addresses when there is no host), or a unix socket. */
export type ListenAddress =
  | { readonly host: string | undefined; readonly port: number }
  | { readonly path: string }

const UNIX = 'unix:'

/** Reads `:3000`, `10.0.0.1:3000`, `[::1]:3000`, `name:3000` and `unix:/run/some.sock`; undefined when it is neither. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith(UNIX)) return text.length > UNIX.length ? { path: text.slice(UNIX.length) } : undefined
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text)
  if (match === null) return undefined
  const [, bracketed, plain, portText] = match
  const port = Number(portText)
  if (port > 65535) return undefined
  if (bracketed === undefined) return { host: plain === '' ? undefined : plain, port }
  const address = parseAddress(bracketed)
  return address !== undefined && familyOf(address) === 6 ? { host: bracketed, port } : undefined
}

export function formatListenAddress(address: ListenAddress): string {
  if ('path' in address) return `${UNIX}${address.path}`
  const host = address.host ?? ''
  return host.includes(':') ? `[${host}]:${address.port}` : `${host}:${address.port}`
}
