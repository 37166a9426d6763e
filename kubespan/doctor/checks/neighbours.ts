import { type Finding, info } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'

interface Neighbour {
  readonly name: string
  readonly processes: readonly string[]
  readonly links: RegExp
  readonly advice: readonly { readonly says: string; readonly mend?: string }[]
}

/** Network programs that share a host with us, by what they leave on it, and what is known to need care. */
const NEIGHBOURS: readonly Neighbour[] = [
  {
    name: 'Cilium',
    processes: ['cilium-agent'],
    links: /^(cilium_(host|net|vxlan|geneve|wg0)|lxc_health)$/,
    advice: [
      {
        says: 'with eBPF host routing, packets of pods pass netfilter by and get no mark of ours',
        mend: 'helm upgrade cilium cilium/cilium -n kube-system --reuse-values --set bpf.hostLegacyRouting=true',
      },
      {
        says: 'with ClusterMesh it keeps the cluster id in the low 8 bits of the mark, where ours are',
        mend: 'cluster ids with neither bit 0x20 nor 0x40, like all below 32',
      },
    ],
  },
  {
    name: 'Calico',
    processes: ['calico-node', 'calico-felix'],
    links: /^(cali[0-9a-f]{8,}|vxlan\.calico|wireguard\.cali)$/,
    advice: [
      {
        says: 'its own WireGuard encryption also wants UDP 51820',
        mend: `kubectl patch felixconfiguration default --type merge -p '{"spec":{"wireguardListeningPort":51822}}'`,
      },
      {
        says: 'its pod MTU follows the network card, not the mesh',
        mend: `kubectl patch installation default --type merge -p '{"spec":{"calicoNetwork":{"mtu":1370}}}'`,
      },
    ],
  },
  {
    name: 'kube-router',
    processes: ['kube-router'],
    links: /^kube-bridge$/,
    advice: [
      {
        says: 'it masquerades pods towards what is outside its pod network: peers see the node instead of the pod',
        mend: 'advertiseKubernetesNetworks: true in the KubeSpanConfig, so that pods are reached as pods',
      },
    ],
  },
  {
    name: 'flannel',
    processes: ['flanneld'],
    links: /^flannel/,
    advice: [
      { says: 'its VXLAN goes through the mesh, because node addresses do: its MTU must fit (see mtu)' },
    ],
  },
  {
    name: 'Tailscale',
    processes: ['tailscaled'],
    links: /^tailscale\d+$/,
    advice: [
      {
        says: 'its rules come before ours: subnet routes that it accepts win over the mesh; its marks do not touch ours',
        mend: 'tailscale set --accept-routes=false, or placement: {rulePriority: 5200} in a NodeConfig',
      },
    ],
  },
  {
    name: 'NetBird',
    processes: ['netbird'],
    links: /^wt0$/,
    advice: [{ says: 'it prefers UDP 51820 as well, and moves away when it is taken' }],
  },
  {
    name: 'Kilo',
    processes: ['kg'],
    links: /^kilo0$/,
    advice: [
      {
        says: 'it is a mesh of its own on UDP 51820',
        mend: 'placement: {listenPort: 51821} in a NodeConfig',
      },
    ],
  },
]

export function checkNeighbours({ processes, links }: Facts): Finding[] {
  const running = new Set(processes.map(({ name }) => name))
  const present = 'value' in links ? links.value.map(({ name }) => name) : []
  return NEIGHBOURS.filter(
    (neighbour) =>
      neighbour.processes.some((name) => running.has(name)) ||
      present.some((name) => neighbour.links.test(name)),
  ).flatMap(({ name, advice }) => advice.map(({ says, mend }) => info(name, says, mend)))
}
