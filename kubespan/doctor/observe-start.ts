import { OS_RELEASE, packagesOf } from '../host/packages.ts'
import { observeTools } from '../host/tool-reports.ts'
import type { Settings } from '../model/settings.ts'
import type { WireGuardGround } from './checks/ground.ts'
import { observeKernelWireGuard } from './observe-kernel.ts'
import type { StartFacts } from './start.ts'
import type { DoctorWorld } from './world.ts'

export type StartWorld = Pick<DoctorWorld, 'host' | 'read' | 'stat' | 'programs' | 'privileges'>

/** One look at what the daemon cannot run without, before it begins; a few milliseconds. */
export async function observeStart(
  world: StartWorld,
  settings: Settings,
  isNotified: boolean,
): Promise<StartFacts> {
  const [programs, privileges, tools, release] = await Promise.all([
    world.programs(),
    world.privileges(),
    observeTools(world.host, settings.enabled ? undefined : ['ip']),
    world.read(OS_RELEASE).catch(() => undefined),
  ])
  const packages = packagesOf(release ?? '')
  const ground = { programs, settings, packages }
  const isThere = async (path: string): Promise<boolean> =>
    (await world.stat(path).catch(() => undefined)) !== undefined
  const wireguard = async (): Promise<WireGuardGround | undefined> => {
    const { linkName } = settings.placement
    // Whoever made the link that is there goes on with it.
    if ((await isThere(`/sys/class/net/${linkName}`)) || (await world.host.hasSocket(linkName)))
      return undefined
    return {
      ...ground,
      kernelWireGuard: await observeKernelWireGuard(world, []),
      hasTun: await isThere('/dev/net/tun'),
    }
  }
  return {
    enabled: settings.enabled,
    isNotified,
    privileges,
    tools,
    ...{ programs, packages },
    wireguard: settings.enabled ? await wireguard() : undefined,
  }
}
