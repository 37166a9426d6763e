import type { Neighbour } from './neighbour.ts'

/** The programs themselves, on a Debian 12 in the network of a host: see Machine. */

const wait = (what: string): string => `i=0; until ${what} >/dev/null 2>&1; do
  i=$((i + 1)); [ $i -lt 150 ] || { echo 'never: ${what.replaceAll("'", '')}'; exit 1; }; sleep 0.2; done`

/** Runs in the background until `stop`. */
const daemon = (name: string, command: string): string =>
  `${command} >/var/log/${name}.log 2>&1 & echo $! >/run/trial-${name}.pid`
const end = (name: string): string =>
  `kill $(cat /run/trial-${name}.pid); ${wait(`! kill -0 $(cat /run/trial-${name}.pid)`)}`

const IPTABLES = `for t in iptables ip6tables; do $t-save | sed '/^#/d; s/ \\[[0-9:]*\\]$//'; done`
const RULES = 'ip rule | grep -v "lookup 180"; ip -6 rule | grep -v "lookup 180"'

const FIREWALLD = `${daemon('firewalld', 'firewalld --nofork --nopid')}; ${wait('firewall-cmd --state')}`

const firewalld: Neighbour = {
  name: 'firewalld',
  version: 'dpkg-query -W firewalld',
  start: FIREWALLD,
  stop: `${end('firewalld')}; nft delete table inet firewalld 2>/dev/null || :`,
  footprint: `${RULES}; nft -s list table inet firewalld`,
  works: 'nft list chain inet firewalld filter_INPUT | grep -q "reject with icmpx"',
  events: {
    'firewall-cmd --reload': 'firewall-cmd --reload',
    'firewall-cmd --complete-reload': 'firewall-cmd --complete-reload',
    'it restarts': `${end('firewalld')}; ${FIREWALLD}`,
  },
}

const ufw: Neighbour = {
  name: 'ufw',
  version: 'dpkg-query -W ufw',
  start: 'ufw --force enable',
  stop: 'ufw disable',
  footprint: `${RULES}; ${IPTABLES}`,
  works: 'ufw status | grep -q "Status: active"; iptables -S INPUT | grep -q "INPUT DROP"',
  events: { 'ufw reload': 'ufw reload', 'ufw disable, ufw enable': 'ufw disable; ufw --force enable' },
}

const DOCKERD = `${daemon('dockerd', 'dockerd')}; ${wait('docker info')}`

const docker: Neighbour = {
  name: 'Docker',
  version: 'dpkg-query -W docker.io',
  // As on a host that forwarded nothing before: then the policy of FORWARD becomes DROP.
  start: `echo 0 >/proc/sys/net/ipv4/ip_forward
    ${DOCKERD}
    tar -C / -c bin/busybox | docker import - busybox
    docker network create --subnet 172.30.0.0/16 more
    docker run -d --name web --stop-timeout 1 -p 8080:80 busybox /bin/busybox httpd -f -p 80 -h /`,
  stop: `docker rm -f web; docker network rm more; ${end('dockerd')}
    for t in filter nat; do iptables -t $t -F; iptables -t $t -X; done; iptables -P FORWARD ACCEPT
    ip link del docker0`,
  footprint: `${RULES}; ${IPTABLES}; ip -br addr show docker0`,
  works: `docker run --rm busybox /bin/busybox ping -c 1 172.17.0.1
    docker run --rm busybox /bin/busybox ping -c 1 -W 3 $member4
    iptables -S FORWARD | grep -q "FORWARD DROP"`,
  servesPort: 8080,
  events: {
    'a container starts and stops':
      'docker run --rm busybox /bin/busybox true; docker run --rm --network more busybox /bin/busybox true',
    'it restarts': `${end('dockerd')}; ${DOCKERD}; docker start web`,
  },
}

const LIBVIRTD = `${daemon('virtlogd', 'virtlogd')}; ${daemon('libvirtd', 'libvirtd')}; ${wait('virsh -c qemu:///system list')}`

const libvirt: Neighbour = {
  name: 'libvirt',
  version: 'dpkg-query -W libvirt-daemon',
  start: `${LIBVIRTD}; virsh -c qemu:///system net-start default`,
  stop: `virsh -c qemu:///system net-destroy default; ${end('libvirtd')}; ${end('virtlogd')}
    for t in filter nat mangle; do iptables -t $t -F; iptables -t $t -X; ip6tables -t $t -F; ip6tables -t $t -X; done`,
  footprint: `${RULES}; ${IPTABLES}; ip -br addr show virbr0`,
  works: 'iptables-save | grep -q LIBVIRT_FWO; ip addr show virbr0 | grep -q 192.168.122.1',
  events: {
    'virsh net-destroy, net-start':
      'virsh -c qemu:///system net-destroy default; virsh -c qemu:///system net-start default',
    'it restarts': `${end('libvirtd')}; ${end('virtlogd')}; ${LIBVIRTD}`,
  },
}

const NM_CONF = `mkdir -p /etc/NetworkManager/conf.d
  printf '[main]\\nplugins=keyfile\\nno-auto-default=*\\n[keyfile]\\nunmanaged-devices=interface-name:eth1;interface-name:cni0\\n' >/etc/NetworkManager/conf.d/trial.conf`
const NETWORK_MANAGER = `${daemon('nm', 'NetworkManager --no-daemon')}; ${wait('nmcli general status')}`
const NM_CONNECTION = `nmcli connection add type ethernet ifname eth0 con-name uplink ipv4.method manual ipv4.addresses $own4/24 \\
    ipv4.gateway $gateway4 ipv6.method manual ipv6.addresses $own6/64 ipv6.gateway $gateway6
  nmcli connection up uplink`

const networkManager: Neighbour = {
  name: 'NetworkManager',
  version: 'dpkg-query -W network-manager',
  start: `${NM_CONF}; ${NETWORK_MANAGER}; ${NM_CONNECTION}`,
  stop: end('nm'),
  footprint: `${RULES}; ip addr show eth0 | grep inet | sed 's/noprefixroute//'; ip route show proto static`,
  works: 'nmcli -g GENERAL.STATE device show eth0 | grep -q 100',
  events: {
    'nmcli device reapply eth0': 'nmcli device reapply eth0',
    'nmcli connection down, up': 'nmcli connection down uplink; nmcli connection up uplink',
    'nmcli networking off, on': `nmcli networking off; nmcli networking on; ${wait('nmcli -g GENERAL.STATE device show eth0 | grep 100')}`,
    'it restarts': `${end('nm')}; ${NETWORK_MANAGER}; ${wait('nmcli -g GENERAL.STATE device show eth0 | grep 100')}`,
  },
}

const CONFIGURED = wait('networkctl list eth0 | grep -w configured')
const NETWORKD = `${daemon('networkd', '/lib/systemd/systemd-networkd')}; sleep 1; ${CONFIGURED}`

const networkd: Neighbour = {
  name: 'systemd-networkd',
  version: 'dpkg-query -W systemd',
  start: `printf '[Match]\\nName=eth0\\n[Network]\\nKeepConfiguration=static\\nIPv6AcceptRA=no\\n[Route]\\nGateway=%s\\n[Route]\\nGateway=%s\\n' \\
      $gateway4 $gateway6 >/etc/systemd/network/eth0.network
    chown systemd-network /run/systemd/netif; ${NETWORKD}`,
  stop: end('networkd'),
  footprint: `${RULES}; ip -br addr show eth0`,
  works: 'networkctl list eth0 | grep -qw configured',
  events: {
    'networkctl reload': 'networkctl reload',
    'networkctl reconfigure eth0': `networkctl reconfigure eth0; sleep 1; ${CONFIGURED}`,
    'it restarts': `${end('networkd')}; ${NETWORKD}`,
  },
}

/** Where nothing but the kernel's tables is used: the service of the package, which flushes everything when it starts. */
const nftables: Neighbour = {
  name: 'nftables.service',
  version: 'dpkg-query -W nftables',
  // It flushes everything unless its file is changed first.
  start: ':',
  stop: 'nft delete table inet filter',
  footprint: 'nft -s list table inet filter',
  works: 'nft list table inet filter | grep -q "hook input"',
  events: { 'systemctl restart nftables': 'nft -f /etc/nftables.conf' },
}

export const PROGRAMS: readonly Neighbour[] = [
  firewalld,
  ufw,
  docker,
  libvirt,
  networkManager,
  networkd,
  nftables,
]
