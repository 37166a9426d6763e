import { type Finding, ok, warning } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'

/** The kubelet itself, and what runs one inside. */
const KUBELETS = new Set(['kubelet', 'k3s', 'k3s-server', 'k3s-agent', 'rke2', 'k0s'])

/** Without being told, a kubelet may take the mesh address for the node's own, and the cluster routes by it. */
export function checkKubelet({ processes, links, settings }: Facts): Finding[] {
  const kubelet = processes.find(({ name }) => KUBELETS.has(name))
  if (kubelet === undefined) return []
  if (kubelet.args.some((arg) => /^--node-ip(=|$)/.test(arg)))
    return [ok('kubelet', 'is told its node address')]
  const own = 'value' in links ? links.value : []
  const address = own
    .filter(({ name, isUp }) => isUp && name !== 'lo' && name !== settings.placement.linkName)
    .flatMap(({ addresses }) => addresses)
    .find(({ address: candidate }) => !candidate.startsWith('fe80:'))?.address
  return [
    warning(
      'kubelet',
      'is not told its node address: it may choose the address of the mesh, which other nodes reach only through the mesh',
      `--node-ip=${address ?? 'ADDRESS'} among the arguments of ${kubelet.name}`,
    ),
  ]
}
