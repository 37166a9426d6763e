import { type AddressPort, addressPortOf, parseAddress } from '../../../shared/net/address.ts'

/** An EndpointSlice (discovery.k8s.io/v1) as the API server sends it: what concerns us. */
export interface RawEndpointSlice {
  readonly metadata?: { readonly resourceVersion?: string }
  readonly endpoints?: readonly { readonly addresses?: readonly string[] | null }[] | null
  readonly ports?: readonly { readonly port?: number | null; readonly protocol?: string | null }[] | null
}

/** Where connections to the Service behind the slice end up. Readiness is not asked for: who is not ready will be. */
export function endpointsOf(slice: RawEndpointSlice): AddressPort[] {
  const ports = (slice.ports ?? []).flatMap(({ port, protocol }) =>
    typeof port === 'number' && (protocol ?? 'TCP') === 'TCP' ? [port] : [],
  )
  return (slice.endpoints ?? [])
    .flatMap(({ addresses }) => addresses ?? [])
    .map(parseAddress)
    .filter((address) => address !== undefined)
    .flatMap((address) => ports.map((port) => addressPortOf(address, port)))
}
