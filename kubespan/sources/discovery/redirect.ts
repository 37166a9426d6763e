import { parseHostPort, type ServiceEndpoint } from '../../model/service-endpoint.ts'

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

/** Where a service sends us; a text says why that cannot be followed. */
export function routeBy(route: Route, redirect: string): Route | string {
  const target = parseHostPort(redirect)
  if (target === undefined) return 'the service redirects to something that is not host:port'
  return followRedirect(route, target) ?? 'the service redirects in a circle'
}
