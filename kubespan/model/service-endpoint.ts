/** Where a discovery service listens. */
export interface ServiceEndpoint {
  /** A DNS name or an address, without brackets. */
  readonly host: string
  readonly port: number
  /** Only `http` is plaintext; `grpc` and `https` mean TLS (SPEC 7.2). */
  readonly plaintext: boolean
}

export type HostPort = Pick<ServiceEndpoint, 'host' | 'port'>

const DEFAULT_PORT = { http: 80, https: 443, grpc: 443 } as const
const SERVICE_URL = /^([a-z]+):\/\/(?:\[([0-9a-f:.]+)\]|([^:[\]\s/?#@]+))(?::(\d{1,5}))?(?:[/?#]\S*)?$/i

/** The text of the configuration to an endpoint (the path is ignored, SPEC 7.2); otherwise a sentence that says what is wrong with it. */
export function parseServiceUrl(text: string): ServiceEndpoint | string {
  if (!/^[a-z]+:\/\//i.test(text)) return `needs a scheme, like https://${text}`
  const match = SERVICE_URL.exec(text)
  const scheme = match?.[1]?.toLowerCase()
  const host = match?.[2] ?? match?.[3]
  if (scheme === undefined || host === undefined) return 'is not a URL of the form https://HOST[:PORT]/'
  if (scheme !== 'http' && scheme !== 'https' && scheme !== 'grpc')
    return `scheme ${scheme} is not one of http, https, grpc`
  const port = match?.[4] === undefined ? DEFAULT_PORT[scheme] : Number(match[4])
  if (port < 1 || port > 65_535) return `port ${port} is not between 1 and 65535`
  return { host, port, plaintext: scheme === 'http' }
}

/** `host:port` as HelloResponse.redirect carries it; undefined when it is no such thing. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}

/** Where a URL of http or https leads. */
export const hostPortOf = ({ hostname, port, protocol }: URL): HostPort => ({
  host: hostname.replace(/^\[|\]$/g, ''),
  port: Number(port) || (protocol === 'http:' ? DEFAULT_PORT.http : DEFAULT_PORT.https),
})

/** The text form for logs and dialling: IPv6 hosts are bracketed. */
export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
