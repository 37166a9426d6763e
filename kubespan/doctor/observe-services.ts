import type { Milliseconds } from '../../shared/clock.ts'
import { messageOf } from '../../shared/message-of.ts'
import { type Address, familyOf, parseAddress } from '../../shared/net/address.ts'
import { proxyInUse } from '../config/daemon-proxy.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import { firstHop } from '../model/proxy.ts'
import { formatHostPort } from '../model/service-endpoint.ts'
import type { DiscoveryServiceSettings, Settings } from '../model/settings.ts'
import type { FamilyAttempt, ServiceFact } from './facts.ts'
import type { DoctorWorld, HelloSeen } from './world.ts'

/** Nobody waits longer than this for one address, and all are tried at once. */
const ATTEMPT_LIMIT: Milliseconds = 5_000
/** So many addresses of a name are tried; more of them tell nothing new. */
const ATTEMPTS_MAX = 8

/** Every discovery service, by its name as the daemon speaks to it, and by each of its addresses or its proxy's. */
export function observeServices(
  world: DoctorWorld,
  own: Settings,
  daemon: DaemonView | undefined,
): Promise<ServiceFact[]> {
  const { proxy, lacksCredentials } = proxyInUse(own, daemon)
  const settings = { ...own, proxy }
  return Promise.all(
    settings.services.map((service) => observeService(world, settings, service, lacksCredentials)),
  )
}

const NOTHING_SEEN: HelloSeen = { clientAddress: undefined, proof: undefined }

async function observeService(
  world: DoctorWorld,
  settings: Settings,
  { name, endpoint }: DiscoveryServiceSettings,
  isLocked: boolean,
): Promise<ServiceFact> {
  const hop = firstHop(endpoint, settings.proxy)
  const literal = parseAddress(hop.host)
  const addresses = await (literal === undefined ? world.lookup(hop.host) : Promise.resolve([literal])).catch(
    messageOf,
  )
  const lacksCredentials = isLocked && hop !== endpoint
  const hasHello = settings.cluster !== undefined && !lacksCredentials
  const fact = {
    name,
    endpoint: formatHostPort(endpoint),
    proxy: hop === endpoint ? undefined : formatHostPort(hop),
    plaintext: endpoint.plaintext,
    hasHello,
    lacksCredentials,
  }
  if (typeof addresses === 'string')
    return {
      ...fact,
      nameProblem: addresses,
      helloProblem: undefined,
      attempts: [],
      ...NOTHING_SEEN,
    }
  const [hello, attempts] = await Promise.all([
    hasHello
      ? world.hello(endpoint, settings, ATTEMPT_LIMIT).then(
          (seen) => ({ ...seen, problem: undefined }),
          (error: unknown) => ({ ...NOTHING_SEEN, problem: messageOf(error) }),
        )
      : { ...NOTHING_SEEN, problem: undefined },
    Promise.all(addresses.slice(0, ATTEMPTS_MAX).map((address) => attempt(world, address, hop.port))),
  ])
  return {
    ...fact,
    nameProblem: undefined,
    helloProblem: hello.problem,
    attempts,
    clientAddress: hello.clientAddress,
    proof: hello.proof,
  }
}

async function attempt(world: DoctorWorld, address: Address, port: number): Promise<FamilyAttempt> {
  const startedAt = world.host.clock.now()
  const problem = await world.dial(address, port, ATTEMPT_LIMIT).then(() => undefined, messageOf)
  return { family: familyOf(address), address, problem, milliseconds: world.host.clock.now() - startedAt }
}
