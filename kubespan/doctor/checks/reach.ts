import { type Family, familyOf, splitAddressPort } from '../../../shared/net/address.ts'
import { proxyInUse } from '../../config/daemon-proxy.ts'
import { PEER_DOWN_AFTER } from '../../model/constants.ts'
import { error, type Finding, info, ok, warning } from '../../model/finding.ts'
import type { Facts, ServiceFact } from '../facts.ts'

/** Whether others can be reached: the clock that certificates need, the discovery services, peers over UDP. */

export function checkClock({ clock }: Facts): Finding[] {
  if (!('value' in clock))
    return [info('clock', `whether it is synchronised cannot be told: ${clock.problem}`)]
  return clock.value
    ? [ok('clock', 'is synchronised')]
    : [
        warning(
          'clock',
          'is not synchronised: certificates may seem invalid, and after a jump back peers refuse handshakes',
          'timedatectl set-ntp true',
        ),
      ]
}

export function checkServices({ services, settings, daemon }: Facts): Finding[] {
  if (services.length === 0)
    return settings.enabled ? [info('discovery', 'no discovery service is configured')] : []
  const { proxy, of } = proxyInUse(settings, 'value' in daemon ? daemon.value : undefined)
  return [
    ...services.flatMap(checkService),
    ...(of === 'daemon'
      ? []
      : [
          info(
            'discovery',
            `no daemon tells of its proxy: services were tried with the environment of this command, ${proxy === undefined ? 'which names none' : `which names ${proxy.toJSON()}`}`,
          ),
        ]),
  ]
}

function checkService(service: ServiceFact): Finding[] {
  const { name, endpoint, proxy, nameProblem, helloProblem, hasHello, attempts, lacksCredentials } = service
  const hop = proxy ?? endpoint
  if (nameProblem !== undefined)
    return [
      error(
        'discovery',
        `${name}: ${proxy === undefined ? endpoint : `the proxy ${proxy}`} cannot be resolved: ${nameProblem}`,
        `getent ahosts ${hostOf(hop)}`,
      ),
    ]
  const failed = attempts.filter(({ problem }) => problem !== undefined)
  const families = [
    ...(proxy === undefined ? [] : [`through the proxy ${proxy}`]),
    ...(lacksCredentials ? ['whose credentials only the daemon has'] : []),
    ...([4, 6] as const).map((family) => describeFamily(service, family)),
  ].join(', ')
  const findings: Finding[] = []
  if (hasHello && helloProblem !== undefined)
    findings.push(
      error('discovery', `${name}: ${endpoint} does not answer: ${helloProblem}`, mendFor(service)),
    )
  else if (!hasHello && failed.length === attempts.length)
    findings.push(
      error('discovery', `${name}: ${endpoint} cannot be reached (${families})`, mendFor(service)),
    )
  else findings.push(ok('discovery', `${name}: ${endpoint} answers (${families})`))
  if (helloProblem === undefined && failed.length < attempts.length)
    for (const { address, family, problem } of failed)
      findings.push(
        warning(
          'discovery',
          `${name}: ${proxy === undefined ? '' : 'its proxy '}${address} does not answer over IPv${family}: ${problem}; connecting may take longer`,
        ),
      )
  return [...findings, ...checkProof(service)]
}

/** A service that does not know of proofs is as good as those of the protocol are. */
function checkProof({ name, proof }: ServiceFact): Finding[] {
  switch (proof?.kind) {
    case undefined:
      return []
    case 'accepted':
      return [ok('discovery', `${name}: accepts our proof of membership: strangers cannot change our record`)]
    case 'unused':
      return [
        info(
          'discovery',
          `${name}: knows no write key of this cluster: who knows the id of the cluster may change its records; its operator can name the key`,
          'kubespan config show --write-key',
        ),
      ]
    case 'refused':
      return [
        warning(
          'discovery',
          `${name}: does not accept our proof of membership: ${proof.why}`,
          'kubespan config show --write-key',
        ),
      ]
    default:
      return proof satisfies never
  }
}

const hostOf = (endpoint: string): string => endpoint.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')

const mendFor = ({ endpoint, plaintext }: ServiceFact): string =>
  `curl -v ${plaintext ? 'http' : 'https'}://${endpoint}/`

function describeFamily({ attempts }: ServiceFact, family: Family): string {
  const tried = attempts.filter((attempt) => attempt.family === family)
  const good = tried.find(({ problem }) => problem === undefined)
  if (tried.length === 0) return `no IPv${family} address`
  return good === undefined ? `not over IPv${family}` : `IPv${family} in ${Math.round(good.milliseconds)} ms`
}

/**
 * What UDP can do is only known from peers that answered. Nothing here can prove that it is blocked: a peer may be
 * away as well.
 */
export function checkUdp({ wireguard, settings }: Facts): Finding[] {
  if (!('value' in wireguard)) return [info('udp', 'only root may look at peers', 'sudo kubespan doctor')]
  const device = wireguard.value.get(settings.placement.linkName)
  if (device === undefined) return [info('udp', 'no tunnel yet, so nothing is known of it')]
  const peers = device.peers.filter(({ endpoint }) => endpoint !== undefined)
  if (peers.length === 0) return [info('udp', 'no peer with an endpoint yet, so nothing is known of it')]
  return ([4, 6] as const).flatMap((family): Finding[] => {
    const reached = peers.filter(
      ({ endpoint }) => endpoint !== undefined && familyOf(splitAddressPort(endpoint).address) === family,
    )
    if (reached.length === 0) return []
    const answered = reached.filter(({ handshakeAge }) => (handshakeAge ?? Infinity) < PEER_DOWN_AFTER)
    if (answered.length > 0)
      return [ok('udp', `${answered.length} of ${reached.length} peers answer over IPv${family}`)]
    return [
      warning(
        'udp',
        `none of ${reached.length} peers answers over IPv${family}: they are away, or a firewall on the way drops UDP ${device.listenPort}`,
        `tcpdump -ni any udp port ${device.listenPort}`,
      ),
    ]
  })
}

/** Behind a NAT peers can answer us, and call us only if somebody forwards the port. */
export function checkNat({ services, links, settings }: Facts): Finding[] {
  if (!('value' in links)) return []
  const own = new Set(links.value.flatMap(({ addresses }) => addresses.map(({ address }) => address)))
  const seen = new Set(services.flatMap(({ clientAddress }) => clientAddress ?? []))
  return [...seen]
    .filter((address) => !own.has(address))
    .map((address) =>
      info(
        'nat',
        `this host is seen as ${address}, which is none of its own addresses: it is behind a NAT or a proxy`,
        `forward UDP ${settings.placement.listenPort} to this host, if two such hosts are to meet`,
      ),
    )
}
