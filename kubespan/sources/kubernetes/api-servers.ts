import type { Clock, Milliseconds } from '../../../shared/clock.ts'
import { type Address, type AddressPort, addressPortOf, parseAddress } from '../../../shared/net/address.ts'
import { formatHostPort, hostPortOf } from '../../model/service-endpoint.ts'
import { ApiError, type KubernetesApi } from './api.ts'
import { endpointsOf, type RawEndpointSlice } from './endpoint-slice.ts'
import { keepWatching } from './keep-watching.ts'

export interface ApiServersOptions {
  readonly api: KubernetesApi
  readonly clock: Clock
  readonly backoff: (failures: number) => Milliseconds
  /** The addresses of a host name. */
  readonly resolve: (host: string) => Promise<readonly Address[]>
  readonly onChange: () => void
}

/** Not to be allowed to see the slice, or that there is none, is no failure that a soon retry could mend. */
const REFUSED_PAUSE: Milliseconds = 600_000

/**
 * Where the API servers are: what the credentials name, and what the Service `kubernetes` stands for - its own address
 * is translated before a packet is looked at, so that the addresses behind it are what has to stay outside the tunnel.
 */
export class ApiServers {
  readonly #options: ApiServersOptions
  #endpoint: string | undefined
  #named: readonly AddressPort[] = []
  #resolved: readonly AddressPort[] = []
  #behind: readonly AddressPort[] | undefined

  constructor(options: ApiServersOptions) {
    this.#options = options
  }

  /** `host:port` that the credentials name; undefined while they cannot be read. */
  get endpoint(): string | undefined {
    return this.#endpoint
  }

  /** That, when it is an address. */
  get named(): readonly AddressPort[] {
    return this.#named
  }

  /** The addresses of that, when it is a name. */
  get resolved(): readonly AddressPort[] {
    return this.#resolved
  }

  /** The addresses behind the Service; undefined while not known. */
  get behind(): readonly AddressPort[] | undefined {
    return this.#behind
  }

  /** Reads the credentials, and asks the resolver. What was known stays when that fails. */
  async locate(): Promise<void> {
    const { api, resolve, onChange } = this.#options
    try {
      const via = hostPortOf(await api.via())
      const { host, port } = via
      this.#endpoint = formatHostPort(via)
      const literal = parseAddress(host)
      const resolved = literal === undefined ? await resolve(host) : []
      this.#named = literal === undefined ? [] : [addressPortOf(literal, port)]
      this.#resolved = resolved.map((address) => addressPortOf(address, port))
    } catch {
      // Whoever tries to connect meets the same failure, and tells it.
    }
    onChange()
  }

  /** Follows the EndpointSlice until `signal` aborts. */
  async follow(signal: AbortSignal): Promise<void> {
    const { api, clock, backoff } = this.#options
    await keepWatching<RawEndpointSlice>(
      {
        clock,
        backoff: (failures, error) => (isRefused(error) ? REFUSED_PAUSE : backoff(failures)),
        read: async (limit) => {
          const slice = await api.apiServers(limit)
          this.#take(slice)
          return slice.metadata?.resourceVersion ?? ''
        },
        watch: (version, limit) => api.watchApiServers(version, limit),
        onEvent: (event) => {
          if (event.kind === 'set') this.#take(event.object)
        },
        onOpen: () => {},
        // The watch of the Nodes meets the same failures, and tells them.
        onFailure: () => {},
      },
      signal,
    )
  }

  #take(slice: RawEndpointSlice): void {
    const endpoints = endpointsOf(slice)
    // The last API server takes itself out when it stops; a cluster without any is not what that means.
    if (endpoints.length === 0) return
    this.#behind = endpoints
    this.#options.onChange()
  }
}

const isRefused = (error: unknown): boolean =>
  error instanceof ApiError && (error.status === 403 || error.status === 404)
