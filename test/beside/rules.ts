import type { Neighbour } from './neighbour.ts'

/** The rules, marks, tables and chains that programs install, put there by hand as their sources and documentation have them. */

const nft = (table: string): string => `nft -f - <<'END'\n${table}\nEND`

/** All policy rules but ours, and what these commands say. */
const rulesAnd = (...more: readonly string[]): string =>
  ['ip rule | grep -v "lookup 180"; ip -6 rule | grep -v "lookup 180"', ...more].join('\n')

const forBoth = (script: string): string => `for f in -4 -6; do\n${script}\ndone`

const netbird: Neighbour = {
  name: 'NetBird',
  start: `
    ip link add wt0 type bridge
    ip addr add 100.92.7.1/16 dev wt0
    ip link set wt0 up
    ${forBoth(`ip $f rule add pref 105 lookup main suppress_prefixlength 0
      ip $f rule add pref 110 not fwmark 0x1bd00 lookup 7120`)}
    ip route add 10.200.0.0/16 dev wt0 table 7120
    ${nft(`table ip netbird {
      chain netbird-mangle-prerouting {
        type filter hook prerouting priority mangle
        iifname "wt0" ct state new ct mark set 0x1bd10
        iifname "wt0" meta mark set 0x1bd41
      }
      chain netbird-acl-input-filter {
        type filter hook input priority filter
        iifname "wt0" ct state established,related accept
        iifname "wt0" drop
      }
      chain netbird-rt-postrouting {
        type nat hook postrouting priority 99
        meta mark & 0xffff == 0xbd41 masquerade
      }
    }`)}`,
  stop: `nft delete table ip netbird; ip link del wt0
    ${forBoth('ip $f rule del pref 105; ip $f rule del pref 110')}`,
  footprint: rulesAnd('ip route show table 7120', 'nft -s list table ip netbird', 'ip -br addr show wt0'),
  works: `ip route get 10.200.3.4 | grep -q "dev wt0"
    ip route get 10.200.3.4 mark 0x1bd00 | grep -q "dev eth0"
    ip route get 203.0.113.9 from 100.92.7.9 iif wt0 mark 0x1bd41 | grep -q "dev eth0"`,
  events: {
    'its rules go and come back': forBoth(`ip $f rule del pref 105; ip $f rule del pref 110
      ip $f rule add pref 105 lookup main suppress_prefixlength 0
      ip $f rule add pref 110 not fwmark 0x1bd00 lookup 7120`),
  },
}

const tailscale: Neighbour = {
  name: 'Tailscale',
  start: `
    ip link add tailscale0 type bridge
    ip addr add 100.64.0.7/32 dev tailscale0
    ip link set tailscale0 up
    ${forBoth(`ip $f rule add pref 5210 fwmark 0x80000/0xff0000 lookup main
      ip $f rule add pref 5230 fwmark 0x80000/0xff0000 lookup default
      ip $f rule add pref 5250 fwmark 0x80000/0xff0000 unreachable
      ip $f rule add pref 5270 lookup 52`)}
    ip route add 100.64.0.8 dev tailscale0 table 52
    ip route add 10.201.0.0/16 dev tailscale0 table 52
    ${nft(`table ip tailscale {
      chain ts-input {
        type filter hook input priority filter
        ip saddr 100.64.0.0/10 iifname != "tailscale0" drop
        iifname "tailscale0" accept
      }
      chain ts-forward {
        type filter hook forward priority filter
        iifname "tailscale0" meta mark set meta mark & 0xff00ffff | 0x40000
        meta mark & 0xff0000 == 0x40000 accept
        oifname "tailscale0" ip saddr 100.64.0.0/10 drop
        oifname "tailscale0" accept
      }
      chain ts-postrouting {
        type nat hook postrouting priority srcnat
        meta mark & 0xff0000 == 0x40000 masquerade
      }
    }`)}`,
  stop: `nft delete table ip tailscale; ip link del tailscale0
    ${forBoth('for n in 5210 5230 5250 5270; do ip $f rule del pref $n; done')}`,
  footprint: rulesAnd(
    'ip route show table 52',
    'nft -s list table ip tailscale',
    'ip -br addr show tailscale0',
  ),
  works: `ip route get 100.64.0.8 | grep -q "dev tailscale0"
    ip route get 10.201.3.4 | grep -q "dev tailscale0"
    ip route get 10.201.3.4 mark 0x80000 | grep -q "dev eth0"`,
  events: {
    'its rules go and come back': forBoth('ip $f rule del pref 5270; ip $f rule add pref 5270 lookup 52'),
  },
}

const docker: Neighbour = {
  name: 'Docker',
  start: `
    ip link add docker0 type bridge
    ip addr add 172.17.0.1/16 dev docker0
    ip link set docker0 up
    ${nft(`table ip filter {
      chain DOCKER-USER {
        iifname "kubespan" accept
        oifname "kubespan" accept
      }
      chain DOCKER { }
      chain FORWARD {
        type filter hook forward priority filter; policy drop;
        jump DOCKER-USER
        oifname "docker0" ct state established,related accept
        oifname "docker0" jump DOCKER
        iifname "docker0" oifname != "docker0" accept
      }
    }
    table ip nat {
      chain POSTROUTING {
        type nat hook postrouting priority srcnat
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
      }
    }`)}`,
  stop: 'nft delete table ip filter; nft delete table ip nat; ip link del docker0',
  footprint: rulesAnd('nft -s list table ip filter; nft -s list table ip nat', 'ip -br addr show docker0'),
  works: 'nft list chain ip filter FORWARD | grep -q "policy drop"',
  events: {
    'its tables are written again': `nft list table ip filter >/tmp/filter.$$
      nft delete table ip filter; nft -f /tmp/filter.$$; rm /tmp/filter.$$`,
  },
}

/** With the pod on a secondary network card, whose table is 2; its links are called `eni*` there. */
const awsVpcCni: Neighbour = {
  name: 'AWS VPC CNI',
  start: `
    ip rule add pref 512 to 10.244.1.10 lookup main
    ip rule add pref 1024 fwmark 0x80/0x80 lookup main
    ip rule add pref 1536 from 10.244.1.10 lookup 2
    ip route add default via $gateway4 dev eth0 table 2
    ${nft(`table ip aws-cni {
      chain nat-prerouting {
        type nat hook prerouting priority -90
        fib daddr type local return
        iifname "cni0" jump snat-mark
        ct mark & 0x80 == 0 meta mark set meta mark & 0xffffff7f
        ct mark & 0x80 == 0x80 meta mark set meta mark | 0x80
      }
      chain snat-mark {
        ip daddr 10.0.0.0/8 return
        ct mark set ct mark | 0x80
      }
      chain mangle-prerouting {
        type filter hook prerouting priority mangle
        iifname "eth0" fib daddr . iif type local ct mark set ct mark | 0x80
        iifname "cni0" meta mark set (ct mark) & 0x80
      }
    }`)}`,
  stop: 'nft delete table ip aws-cni; for n in 512 1024 1536; do ip rule del pref $n; done; ip route flush table 2',
  footprint: rulesAnd('ip route show table 2', 'nft -s list table ip aws-cni'),
  works: 'ip route get 203.0.113.9 from 10.244.1.10 iif cni0 | grep -q "via $gateway4"',
  events: {},
}

const vrf: Neighbour = {
  name: 'VRF',
  start: forBoth(`ip $f rule add pref 1000 l3mdev
    ip $f rule add pref 32765 lookup local
    ip $f rule del pref 0`),
  stop: forBoth(`ip $f rule add pref 0 lookup local
    ip $f rule del pref 32765
    ip $f rule del pref 1000`),
  footprint: rulesAnd(),
  works: 'ip rule | grep -q l3mdev; ip route get $own4 | grep -q ^local',
  events: {},
}

const cilium: Neighbour = {
  name: 'Cilium',
  start: forBoth(`ip $f rule add pref 9 fwmark 0x200/0xf00 lookup 2004
    ip $f rule add pref 10 fwmark 0xa00/0xf00 lookup 2005
    ip $f rule add pref 100 lookup local
    ip $f rule del pref 0
    ip $f route add local default dev lo table 2004
    ip $f route add default dev eth0 table 2005`),
  stop: forBoth(`ip $f rule add pref 0 lookup local
    for n in 9 10 100; do ip $f rule del pref $n; done
    ip $f route flush table 2004; ip $f route flush table 2005`),
  footprint: rulesAnd('for t in 2004 2005; do ip route show table $t; ip -6 route show table $t; done'),
  works: 'ip route get 203.0.113.9 mark 0x200 | grep -q "^local"',
  events: {},
}

const calico: Neighbour = {
  name: 'Calico',
  start: `
    ip link add wireguard.cali type bridge
    ip link set wireguard.cali up
    ip rule add pref 99 not fwmark 0x100000/0x100000 lookup 1
    ip route add 10.65.2.0/24 dev wireguard.cali table 1
    ip route add throw 10.65.1.0/24 table 1
    ${nft(`table ip calico {
      chain cali-PREROUTING {
        type filter hook prerouting priority mangle
        iifname "cali*" meta mark set meta mark & 0xffff | 0x40000
      }
      chain cali-POSTROUTING {
        type nat hook postrouting priority srcnat
        ip saddr 10.65.1.0/24 ip daddr != 10.65.0.0/16 masquerade
      }
    }`)}`,
  stop: 'nft delete table ip calico; ip rule del pref 99; ip route flush table 1; ip link del wireguard.cali',
  footprint: rulesAnd('ip route show table 1', 'nft -s list table ip calico'),
  works: 'ip route get 10.65.2.7 | grep -q "dev wireguard.cali"',
  events: {},
}

const kubeProxy: Neighbour = {
  name: 'kube-proxy',
  start: nft(`table ip kube-proxy {
    chain mark-for-masquerade { meta mark set meta mark | 0x4000; }
    chain services {
      ip daddr 10.96.0.10 ip protocol tcp dnat to 10.244.1.10:53
    }
    chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
    chain nat-output { type nat hook output priority -100; jump services; }
    chain nat-postrouting {
      type nat hook postrouting priority srcnat
      meta mark & 0x4000 == 0x4000 meta mark set meta mark ^ 0x4000 masquerade fully-random
    }
    chain filter-forward { type filter hook forward priority -110; ct state invalid drop; }
  }`),
  stop: 'nft delete table ip kube-proxy',
  footprint: rulesAnd('nft -s list table ip kube-proxy'),
  works: 'nft list chain ip kube-proxy services | grep -q dnat',
  events: {},
}

const PURGE = forBoth('ip $f rule del pref 32500; ip $f route flush table 180')

/** What it takes from a host at every start, unless told not to: rules and routes that are neither its own nor the kernel's. */
const networkd: Neighbour = {
  name: 'systemd-networkd',
  start: PURGE,
  stop: ':',
  footprint: rulesAnd(),
  works: ':',
  events: { 'it starts again': PURGE },
}

export const BY_HAND: readonly Neighbour[] = [
  netbird,
  tailscale,
  docker,
  awsVpcCni,
  vrf,
  cilium,
  calico,
  kubeProxy,
  networkd,
]
