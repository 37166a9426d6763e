import { isLoopback, parseAddress } from '../../../shared/net/address.ts'
import { isUnicastHost } from '../../../shared/net/unicast-host.ts'
import { type HostPort, parseHostPort, type ServiceEndpoint } from '../../model/service-endpoint.ts'

/** More hops than any honest migration needs; a loop is cut here (SPEC 9, C2). */
export const REDIRECT_CHAIN_MAX_HOPS = 5
/** After so many failures in a row at a place we were sent to, the configured one is asked again. */
export const REDIRECT_FALLBACK_FAILURES = 3

/** Which service endpoint to speak to, and how we got there. */
export interface Route {
  readonly configured: ServiceEndpoint
  readonly current: ServiceEndpoint
  readonly hops: number
  /** Consecutive failures at `current`. */
  readonly failures: number
}

export const routeTo = (configured: ServiceEndpoint): Route => ({
  configured,
  current: configured,
  hops: 0,
  failures: 0,
})

/** The next route after Hello answered with a redirect; undefined when the chain is too long to be honest. */
export function followRedirect(
  route: Route,
  target: Pick<ServiceEndpoint, 'host' | 'port'>,
): Route | undefined {
  if (route.hops >= REDIRECT_CHAIN_MAX_HOPS) return undefined
  return { ...route, current: { ...route.configured, ...target }, hops: route.hops + 1, failures: 0 }
}

/** The route after a failed attempt: a redirect target that does not work is given up for the configured endpoint. */
export function afterFailure(route: Route): Route {
  const failures = route.failures + 1
  const wasSentAway = route.hops > 0
  return wasSentAway && failures >= REDIRECT_FALLBACK_FAILURES
    ? routeTo(route.configured)
    : { ...route, failures }
}

export const afterSuccess = (route: Route): Route => ({ ...route, failures: 0 })

/** Letters, digits, hyphens, and the underscores that some networks have. */
const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?\.?$/i
/** What resolvers read as an IPv4 address in a form that nobody else does, as `127.1` and `0x7f000001`. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[0-9a-f]*)\.?$/i

/** `host:port` with an address of a host or a name of one; undefined for anything else, as an address of many, or a scheme. */
export function parseRedirect(text: string): HostPort | undefined {
  const target = parseHostPort(text)
  if (target === undefined) return undefined
  const address = parseAddress(target.host)
  const isHost =
    address === undefined
      ? HOST_NAME.test(target.host) && !ENDS_IN_NUMBER.test(target.host)
      : isUnicastHost(address) || isLoopback(address)
  return isHost ? target : undefined
}

/** Where a service sends us; a text says why that cannot be followed. */
export function routeBy(route: Route, redirect: string): Route | string {
  const target = parseRedirect(redirect)
  if (target === undefined) return 'the service redirects to something that is not host:port'
  return followRedirect(route, target) ?? 'the service redirects in a circle'
}
