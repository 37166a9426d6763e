import { whyNotHeld } from '../../host/capabilities.ts'
import { DEBIAN, installCommand } from '../../host/packages.ts'
import { error, type Finding, info, ok, warning } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'
import { judgeTools } from './tools.ts'

/** What the daemon stands on: its configuration, its rights, WireGuard, nftables. */

export function checkConfig({ config, settings }: Facts): Finding[] {
  if (config.problem !== undefined)
    return [error('configuration', config.problem, `kubespan config validate ${config.file}`)]
  const findings = config.warnings.map((says) => warning('configuration', says))
  if (!settings.enabled)
    findings.push(info('configuration', 'KubeSpan is disabled', 'enabled: true in a KubeSpanConfig'))
  return findings.length > 0 ? findings : [ok('configuration', `${config.file} is valid`)]
}

export function checkDaemon({ daemon, config }: Facts): Finding[] {
  if ('problem' in daemon) return [warning('daemon', daemon.problem)]
  const view = daemon.value
  if (view === undefined)
    return [info('daemon', 'no daemon runs here', `kubespan run --config ${config.file}`)]
  const findings = view.warnings.map((says) => warning('daemon', says))
  const failure = view.lastReconcile?.error
  if (failure !== undefined) findings.unshift(error('daemon', `its last pass failed: ${failure}`))
  if (view.hasLeft)
    findings.unshift(warning('daemon', 'this node has left the cluster', 'systemctl restart kubespan'))
  return findings.length > 0 ? findings : [ok('daemon', `${view.version} runs, pid ${view.pid}`)]
}

/** A daemon that runs shows by itself what it may do; then it is only about what this command may look at. */
export function checkPrivileges({ privileges, daemon }: Facts): Finding[] {
  const reason = whyNotHeld(privileges, 'CAP_NET_ADMIN')
  if (reason === undefined) return [ok('privileges', 'CAP_NET_ADMIN is held')]
  const isRunning = 'value' in daemon && daemon.value !== undefined
  return [
    isRunning
      ? info('privileges', `${reason}: some things cannot be looked at`, 'sudo kubespan doctor')
      : error('privileges', `${reason}: a daemon started from here cannot work`, 'sudo kubespan doctor'),
  ]
}

/** What it takes to tell whether there can be a WireGuard link. */
export type WireGuardGround = Pick<Facts, 'kernelWireGuard' | 'programs' | 'hasTun' | 'settings' | 'packages'>

export function checkWireGuard({
  kernelWireGuard,
  programs,
  hasTun,
  settings,
  packages = DEBIAN,
}: WireGuardGround): Finding[] {
  const { wireguard } = settings.node
  if (wireguard !== 'userspace') {
    if (kernelWireGuard === 'loaded') return [ok('wireguard', 'the kernel has it')]
    if (kernelWireGuard === 'available') return [ok('wireguard', 'the kernel has it as a module')]
    if (wireguard === 'kernel')
      return [
        kernelWireGuard === 'absent'
          ? error(
              'wireguard',
              'the kernel has no WireGuard, and the configuration wants the kernel’s',
              'wireguard: auto in a NodeConfig',
            )
          : info('wireguard', 'whether the kernel has it cannot be told from here'),
      ]
  }
  const findings: Finding[] = []
  if (!programs.has('wireguard-go'))
    findings.push(
      kernelWireGuard === 'unknown' && wireguard === 'auto'
        ? info(
            'wireguard',
            'whether the kernel has it cannot be told from here, and wireguard-go is not installed',
            installCommand(['wireguard-go'], packages),
          )
        : error(
            'wireguard',
            'the kernel has no WireGuard, and wireguard-go is not installed',
            installCommand(['wireguard-go'], packages),
          ),
    )
  if (!hasTun)
    findings.push(error('wireguard', 'wireguard-go needs /dev/net/tun, which is not there', 'modprobe tun'))
  return findings.length > 0
    ? findings
    : [
        info(
          'wireguard',
          'userspace, by wireguard-go: slower than the kernel’s, and its tunnels end with its process',
        ),
      ]
}

/** That the rules of packets can be read at all. */
export function checkNft({ chains, programs, tools, packages = DEBIAN }: Facts): Finding[] {
  if (!programs.has('nft')) return []
  // That was said with the tools.
  const { nft } = tools ?? {}
  if (nft !== undefined && judgeTools({ nft }, packages).length > 0) return []
  if ('problem' in chains)
    return [
      /not permitted/i.test(chains.problem)
        ? info('nftables', 'only root may look', 'sudo kubespan doctor')
        : error('nftables', chains.problem, 'modprobe nf_tables'),
    ]
  return [ok('nftables', 'works')]
}
