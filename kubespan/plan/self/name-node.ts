import { machineIdOf } from '../../../shared/identity/node-id.ts'
import type { Settings } from '../../model/settings.ts'

export interface NamedSettings {
  /** With the names under which this node is known to others. */
  readonly settings: Settings
  readonly warnings: readonly string[]
}

/** What a machine is called that nobody has given a name (hostname(7), and the kernel's own word for none). */
const PLACEHOLDER = /^(?:localhost\d*(?:\.localdomain\d*)?|localhost-live|\(none\)|)$/i
/** Of all names in DNS; a node name of Kubernetes is one. */
const NAME_MAX_CHARACTERS = 253

/**
 * The names of this node: what the configuration says, else what the host is called now, which may be no name yet. Then a name is made of
 * the node id, for two nodes of one name look like one.
 */
export function nameNode(settings: Settings, hostName: string | undefined, nodeId: string): NamedSettings {
  const { node, namesGiven } = settings
  const called = (hostName ?? node.hostname).replace(/[\s\p{Cc}]/gu, '').slice(0, NAME_MAX_CHARACTERS)
  const isNamed = !PLACEHOLDER.test(called)
  const fallback = `node-${(machineIdOf(nodeId) ?? nodeId).slice(0, 8).toLowerCase()}`
  const hostname = namesGiven.hostname ? node.hostname : isNamed ? called : fallback
  const derived = isNamed ? nodenameOf(called) : ''
  const nodename = namesGiven.nodename ? node.nodename : derived === '' ? fallback : derived
  return {
    settings: { ...settings, node: { ...node, hostname, nodename } },
    warnings: describe(settings, called, { hostname, nodename }),
  }
}

/** As the kubelet does: lower case. What no node name may hold is left out. */
const nodenameOf = (hostname: string): string =>
  hostname
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '')
    .replace(/^[.-]+|[.-]+$/g, '')

function describe(
  { namesGiven }: Pick<Settings, 'namesGiven'>,
  called: string,
  { hostname, nodename }: Pick<Settings['node'], 'hostname' | 'nodename'>,
): readonly string[] {
  const given = [
    ...(namesGiven.nodename && PLACEHOLDER.test(nodename) ? [`nodename: ${nodename}`] : []),
    ...(namesGiven.hostname && PLACEHOLDER.test(hostname) ? [`hostname: ${hostname}`] : []),
  ]
  if (given.length > 0)
    return [
      `${given.join(' and ')} in the configuration is no name of its own: other nodes may have the same`,
    ]
  if (namesGiven.nodename && namesGiven.hostname) return []
  if (PLACEHOLDER.test(called))
    return [
      `this host has no name (${called === '' ? 'empty' : called}), and is published as ${namesGiven.nodename ? hostname : nodename} until it has: ` +
        'hostnamectl set-hostname NAME, or nodename and hostname in a NodeConfig',
    ]
  if (namesGiven.nodename || nodename === called.toLowerCase()) return []
  return [
    `this host is called ${called}, which is no node name: it is published as ${nodename}; nodename in a NodeConfig says another`,
  ]
}
