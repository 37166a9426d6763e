/** One entry of `filters.links`: which links it is about, and whether they are kept. */
export interface LinkFilter {
  readonly text: string
  readonly isKept: boolean
  matches(link: { readonly name: string; readonly kind?: string | undefined }): boolean
}

/** A link name has up to 15 characters, and neither slash nor space; `*` stands for any, `?` for one. */
const NAME = /^[^\s/!]{1,64}$/
const KIND = 'kind:'

/** `docker*`, `kind:vxlan`, or with a leading `!` what is kept; undefined for what is none of these. */
export function parseLinkFilter(text: string): LinkFilter | undefined {
  const isKept = text.startsWith('!')
  const what = isKept ? text.slice(1) : text
  const isOfKind = what.startsWith(KIND)
  const pattern = isOfKind ? what.slice(KIND.length) : what
  if (!NAME.test(pattern)) return undefined
  const glob = new RegExp(
    `^${pattern
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  )
  return { text, isKept, matches: ({ name, kind = '' }) => glob.test(isOfKind ? kind : name) }
}

/**
 * Links that lead to nobody else, as they are called on real machines: of containers and virtual machines, of overlays, of other
 * tunnels. Not `br0`, `vmbr0`, bonds, VLANs, `ppp0`, `wwan0`: those hold a host's own way out. Neither veth nor dummy by
 * kind: inside a container the first is the way out, and routed hosts keep their address on the second.
 */
export const DEFAULT_LINK_FILTERS: readonly string[] = [
  // Docker, Podman, CNI plugins and nerdctl; libvirt, LXC, LXD, Incus, Multipass; VMware, VirtualBox; Waydroid.
  ...['docker*', 'br-*', 'podman*', 'cni*', 'veth*', 'virbr*', 'vnet*', 'lxcbr*', 'lxdbr*', 'incusbr*'],
  ...['mpqemubr*', 'tap*', 'macvtap*', 'vmnet*', 'vboxnet*', 'waydroid*'],
  // Networks of Kubernetes.
  ...['flannel*', 'cali*', 'tunl*', 'vxlan*', 'cilium*', 'lxc*', 'weave*', 'antrea*', 'ovn-k8s*', 'kube-*'],
  ...['nodelocaldns', 'azv*', 'eni*'],
  // Tailscale, NetBird, ZeroTier, Nebula, Netmaker, Kilo, Hamachi, WARP; WireGuard and OpenVPN by their habits.
  ...['tailscale*', 'wt*', 'zt*', 'nebula*', 'netmaker*', 'kilo*', 'ham*', 'CloudflareWARP', 'wg*', 'tun*'],
  // Whatever its name: of these kinds a link reaches who is at the other end of its tunnel.
  ...['wireguard', 'amneziawg', 'tun', 'ovpn*', 'vxlan', 'geneve', 'gre*', 'ip6gre*', 'erspan*'].map(
    (kind) => `kind:${kind}`,
  ),
  ...['ip6erspan*', 'ipip', 'ip6tnl', 'sit', 'vti*', 'xfrm', 'bareudp', 'gtp'].map((kind) => `kind:${kind}`),
]
