import { readForwarding } from '../sources/forwarding.ts'
import type { KernelWireGuard, LinkFact, ProcessFact } from './facts.ts'
import type { DoctorWorld } from './world.ts'

/** Without trying: a trial would load the module. */
export async function observeKernelWireGuard(
  world: Pick<DoctorWorld, 'read' | 'stat'>,
  links: readonly LinkFact[],
): Promise<KernelWireGuard> {
  if (links.some(({ kind }) => kind === 'wireguard')) return 'loaded'
  if ((await world.stat('/sys/module/wireguard').catch(() => undefined)) !== undefined) return 'loaded'
  const release = (await world.read('/proc/sys/kernel/osrelease').catch(() => undefined))?.trim() ?? ''
  const directory = `/lib/modules/${release}`
  const lists = await Promise.all(
    ['modules.builtin', 'modules.dep'].map((name) =>
      world.read(`${directory}/${name}`).catch(() => undefined),
    ),
  )
  const [builtin, modules] = lists
  if (builtin?.includes('/wireguard.ko')) return 'loaded'
  if (modules?.includes('/wireguard.ko')) return 'available'
  return builtin === undefined && modules === undefined ? 'unknown' : 'absent'
}

/** The local ports of /proc/net/udp and udp6; WireGuard in the kernel is among them. */
export async function observeUdpPorts(world: DoctorWorld): Promise<ReadonlySet<number>> {
  const texts = await Promise.all(
    ['/proc/net/udp', '/proc/net/udp6'].map((path) => world.read(path).catch(() => undefined)),
  )
  const rows = texts.flatMap((text) => [...(text ?? '').matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm)])
  return new Set(rows.map(([, port]) => Number.parseInt(port ?? '', 16)))
}

export async function observeSysctls(
  { host }: DoctorWorld,
  linkName: string,
): Promise<ReadonlyMap<string, string | undefined>> {
  const paths = ['ipv4/conf/all/rp_filter', `ipv4/conf/${linkName}/rp_filter`]
  const forwarding = await readForwarding(host, linkName).catch(() => [])
  return new Map([
    ...forwarding,
    ...(await Promise.all(
      paths.map(
        async (path): Promise<[string, string | undefined]> => [
          path,
          await host.readSetting(path).catch(() => undefined),
        ],
      ),
    )),
  ])
}

/** Names of all processes, and the arguments of those that somebody asks about by name. */
export async function observeProcesses(world: DoctorWorld): Promise<readonly ProcessFact[]> {
  const pids = (await world.list('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const processes = await Promise.all(
    pids.map(async (pid): Promise<ProcessFact[]> => {
      const name = (await world.read(`/proc/${pid}/comm`).catch(() => undefined))?.trim()
      if (name === undefined || name === '') return []
      const line = KUBELET_LIKE.test(name)
        ? await world.read(`/proc/${pid}/cmdline`).catch(() => undefined)
        : undefined
      return [{ name, args: (line ?? '').split('\0').filter((word) => word !== '') }]
    }),
  )
  return processes.flat()
}

const KUBELET_LIKE = /^(kubelet|k3s|rke2|k0s)/
