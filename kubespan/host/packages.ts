import type { Program } from './installed.ts'

/** How a kind of system gets its programs. */
export interface Packages {
  readonly install: string
  /** Puts the files of a package back that somebody replaced. */
  readonly restore: string
  /** Where a program is not in the package that Debian has it in. */
  readonly named?: Partial<Record<Program, string>>
  /** Instead of `restore`, for an nft with JSON: here there is one without. */
  readonly nftWithJson?: string
}

/** What is said where nothing else is known. */
export const DEBIAN: Packages = { install: 'apt-get install', restore: 'apt-get install --reinstall' }

/** By ID of os-release(5). */
const SYSTEMS: Readonly<Record<string, Packages>> = {
  debian: DEBIAN,
  ubuntu: DEBIAN,
  alpine: { install: 'apk add', restore: 'apk fix' },
  fedora: { install: 'dnf install', restore: 'dnf reinstall', named: { ip: 'iproute' } },
  rhel: { install: 'dnf install', restore: 'dnf reinstall', named: { ip: 'iproute' } },
  arch: { install: 'pacman -S', restore: 'pacman -S' },
  suse: { install: 'zypper install', restore: 'zypper install --force' },
  openwrt: {
    install: 'opkg install',
    restore: 'opkg install --force-reinstall',
    named: { ip: 'ip-full', nft: 'nftables-json' },
    nftWithJson: 'opkg install nftables-json',
  },
  gentoo: {
    install: 'emerge',
    restore: 'emerge --oneshot',
    named: {
      ip: 'sys-apps/iproute2',
      nft: 'net-firewall/nftables',
      wg: 'net-vpn/wireguard-tools',
      fping: 'net-analyzer/fping',
    },
    nftWithJson: 'USE=json emerge net-firewall/nftables',
  },
}

/** The packages that hold the programs, by Debian's names, which most have taken over. */
const NAMES: Readonly<Record<Program, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
  'systemd-notify': 'systemd',
  fping: 'fping',
}

/** The text of os-release(5) to its package manager; Debian's where it tells of none that is known. */
export function packagesOf(osRelease: string): Packages {
  const words = (name: string): string[] =>
    new RegExp(`^${name}=["']?([^"'\\n]*)`, 'm').exec(osRelease)?.[1]?.split(/\s+/) ?? []
  const known = [...words('ID'), ...words('ID_LIKE')].find((id) => Object.hasOwn(SYSTEMS, id))
  return SYSTEMS[known ?? ''] ?? DEBIAN
}

export const packageOf = (program: Program, { named }: Packages): string => named?.[program] ?? NAMES[program]

export const installCommand = (programs: readonly Program[], packages: Packages): string =>
  `${packages.install} ${programs.map((program) => packageOf(program, packages)).join(' ')}`

/** The place of os-release(5). */
export const OS_RELEASE = '/etc/os-release'
