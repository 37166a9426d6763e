import { parseAddress, parsePrefix, prefixContains } from '../../shared/net/address.ts'
import { formatHostPort, type HostPort, parseHostPort } from './service-endpoint.ts'

/** A proxy as others than its user may know it. */
export interface ProxyView {
  readonly url: string
  /** As NO_PROXY has it. */
  readonly exempt: string
  readonly hasCredentials: boolean
}

/**
 * The HTTP proxy that discovery services are reached through, by CONNECT, whether they speak TLS or not. No way of
 * printing an instance shows its credentials.
 */
export class ProxySettings {
  readonly host: string
  readonly port: number
  readonly #credentials: string | undefined
  readonly #exemptText: string
  readonly #exempt: readonly ((goal: HostPort) => boolean)[]

  private constructor(url: URL, exempt: string) {
    this.host = withoutBrackets(url.hostname)
    this.port = url.port === '' ? 80 : Number(url.port)
    const { username, password } = url
    this.#credentials =
      username === '' ? undefined : `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
    this.#exemptText = exempt
    this.#exempt = exempt.split(',').flatMap((entry) => exemption(entry.trim().toLowerCase()) ?? [])
  }

  /**
   * HTTPS_PROXY and NO_PROXY of a process, in either case; the lower one counts when both are there, as with Go's and
   * most other programs. Undefined: none is set. A text: why it cannot be used, without what stands in it.
   */
  static fromEnvironment(
    env: Readonly<Record<string, string | undefined>>,
  ): ProxySettings | string | undefined {
    const text = env.https_proxy || env.HTTPS_PROXY
    if (text === undefined || text === '') return undefined
    const full = text.includes('://') ? text : `http://${text}`
    const url = URL.canParse(full) ? new URL(full) : undefined
    if (url === undefined || url.hostname === '')
      return 'HTTPS_PROXY is not a URL like http://proxy.example:3128'
    if (url.protocol !== 'http:')
      return `HTTPS_PROXY: ${url.protocol}// proxies cannot be used, only http:// ones`
    try {
      return new ProxySettings(url, env.no_proxy || env.NO_PROXY || '')
    } catch {
      return 'HTTPS_PROXY has credentials that are not percent-encoded'
    }
  }

  /** The proxy of another process. Credentials are ours, if it is the proxy that we use ourselves. */
  static fromView({ url, exempt }: ProxyView, own: ProxySettings | undefined): ProxySettings {
    const goal = new URL(url)
    const other = new ProxySettings(goal, exempt)
    if (own === undefined || own.host !== other.host || own.port !== other.port) return other
    return new ProxySettings(withCredentials(goal, own.#credentials), exempt)
  }

  get view(): ProxyView {
    return { url: this.toJSON(), exempt: this.#exemptText, hasCredentials: this.#credentials !== undefined }
  }

  /** `user:password`; undefined when the proxy asks for none. */
  get credentials(): string | undefined {
    return this.#credentials
  }

  /** For whoever connects: holds the credentials. */
  get url(): URL {
    return withCredentials(new URL(this.toJSON()), this.#credentials)
  }

  /** Whether this goes through the proxy: nothing on this machine does, and nothing that NO_PROXY names. */
  isFor({ host, port }: HostPort): boolean {
    const goal = { host: host.toLowerCase(), port }
    return !isOwn(goal.host) && !this.#exempt.some((exempts) => exempts(goal))
  }

  toJSON(): string {
    return `http://${formatHostPort(this)}`
  }
}

/** Where the first connection goes that leads to the service. */
export const firstHop = <T extends HostPort>(
  service: T,
  proxy: ProxySettings | undefined,
): T | ProxySettings => (proxy?.isFor(service) ? proxy : service)

function withCredentials(proxy: URL, credentials: string | undefined): URL {
  const [username = '', ...password] = credentials?.split(':') ?? []
  const url = new URL(proxy)
  url.username = encodeURIComponent(username)
  url.password = encodeURIComponent(password.join(':'))
  return url
}

const withoutBrackets = (host: string): string => host.replace(/^\[|\]$/g, '')

const isOwn = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (/^127\./.test(host) && parseAddress(host) !== undefined)

/** One entry of NO_PROXY: `*`, an address, a prefix, a domain with its subdomains, `.domain` for those alone; with or without a port. */
function exemption(entry: string): ((goal: HostPort) => boolean) | undefined {
  if (entry === '') return undefined
  if (entry === '*') return () => true
  const prefix = parsePrefix(entry)
  if (prefix !== undefined)
    return ({ host }) => {
      const address = parseAddress(host)
      return address !== undefined && prefixContains(prefix, address)
    }
  const { host, port } = parseHostPort(entry) ?? { host: withoutBrackets(entry), port: undefined }
  const isPort = (goal: HostPort): boolean => port === undefined || goal.port === port
  const address = parseAddress(host)
  if (address !== undefined) return (goal) => parseAddress(goal.host) === address && isPort(goal)
  const domain = host.replace(/^\*?\./, '')
  const withItself = domain === host
  return (goal) => ((withItself && goal.host === domain) || goal.host.endsWith(`.${domain}`)) && isPort(goal)
}
