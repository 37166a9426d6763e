import { messageOf } from '../../shared/message-of.ts'
import { observePathFilters, observeRuleset } from '../apply/ruleset.ts'
import type { Resolved } from '../config/resolve.ts'
import { whyNotHeld } from '../host/capabilities.ts'
import { OS_RELEASE, packagesOf } from '../host/packages.ts'
import { ToolError } from '../host/tool-error.ts'
import { observeTools } from '../host/tool-reports.ts'
import type { DaemonView } from '../model/daemon-view.ts'
import type { Seen } from '../model/finding.ts'
import type { Settings } from '../model/settings.ts'
import type { ConfigFact, Facts, WireGuardFact } from './facts.ts'
import { observeFirewall } from './observe-firewall.ts'
import {
  observeKernelWireGuard,
  observeProcesses,
  observeSysctls,
  observeUdpPorts,
} from './observe-kernel.ts'
import { observeKubernetes } from './observe-kubernetes.ts'
import {
  observeAllLinks,
  observeAllRules,
  observeChains,
  observeForeignRoutes,
  observeRouted,
  observeRuleTables,
  observeUplinks,
  observeWireGuardLinks,
} from './observe-network.ts'
import { observeServices } from './observe-services.ts'
import type { DoctorWorld } from './world.ts'

/** The configuration as the doctor found it; of one that cannot be used what is right, and defaults for the rest. */
export interface DoctorConfig {
  readonly fact: ConfigFact
  readonly settings: Resolved['settings']
}

/** One look at everything. What cannot be looked at is said, and stops nothing else. */
export async function observeFacts(world: DoctorWorld, { fact, settings }: DoctorConfig): Promise<Facts> {
  const { host } = world
  const { placement, node } = settings
  const links = seen(observeAllLinks(host))
  const processes = observeProcesses(world)
  const rules = seen(observeAllRules(host))
  const routed = observeRouted(host, placement).catch(() => undefined)
  const daemon = seen<DaemonView | undefined>(world.daemon(settings))
  return {
    config: fact,
    settings,
    ...(await together({
      programs: world.programs(),
      tools: observeTools(host),
      packages: world.read(OS_RELEASE).then(
        (text) => packagesOf(text ?? ''),
        () => packagesOf(''),
      ),
      privileges: world.privileges(),
      links,
      rules,
      routed,
      ruleTables: rules.then(async (found) =>
        'value' in found ? await observeRuleTables(host, placement, found.value, await routed) : [],
      ),
      foreignRoutes: seen(observeForeignRoutes(host, placement)),
      uplinks: seen(observeUplinks(host)),
      wireguard: seen(observeDevices(world)),
      chains: seen(observeChains(host)),
      pathFilters: seen(observePathFilters(host)),
      daemon,
      kernelWireGuard: links.then((found) =>
        observeKernelWireGuard(world, 'value' in found ? found.value : []),
      ),
      hasTun: world.stat('/dev/net/tun').then(
        (found) => found !== undefined,
        () => false,
      ),
      udpPorts: observeUdpPorts(world),
      sysctls: observeSysctls(world, placement.linkName),
      processes,
      firewall: observeFirewall(world, seen(observeRuleset(host)), processes),
      clock: seen(observeClock(world)),
      services: daemon.then((found) =>
        observeServices(world, settings, 'value' in found ? found.value : undefined),
      ),
      kubernetes: observeKubernetes(world, settings),
      files: observeFiles(world, fact, node),
      freeStateBytes: world.freeBytes(node.stateDirectory),
    })),
    now: host.clock.wall(),
  }
}

type Arrived<T> = { readonly [Name in keyof T]: Awaited<T[Name]> }

/** All of these at once, under their names. */
async function together<T extends object>(promises: T): Promise<Arrived<T>> {
  const arrivals = Object.entries(promises).map(async ([name, promise]) => [name, await promise] as const)
  return Object.fromEntries(await Promise.all(arrivals)) as Arrived<T>
}

/** A failure as a value, in as few words as tell it. */
async function seen<T>(observation: Promise<T>): Promise<Seen<T>> {
  try {
    return { value: await observation }
  } catch (error) {
    if (error instanceof ToolError && error.kind === 'failed')
      return { problem: `${error.tool}: ${error.stderr.split('\n')[0] ?? ''}` }
    return { problem: messageOf(error) }
  }
}

/** Without the right to look, `wg` shows fewer links and does not say so. */
async function observeDevices(world: DoctorWorld): Promise<ReadonlyMap<string, WireGuardFact>> {
  if (whyNotHeld(await world.privileges(), 'CAP_NET_ADMIN') !== undefined)
    throw new Error('only root may look')
  return await observeWireGuardLinks(world.host)
}

async function observeClock({ host }: DoctorWorld): Promise<boolean> {
  const answer = await host.run('timedatectl', ['show', '--property=NTPSynchronized', '--value'])
  return answer.trim() === 'yes'
}

const STATE_FILES = ['node-identity.yaml', 'kubespan-identity.yaml']

const observeFiles = (
  world: DoctorWorld,
  { file }: ConfigFact,
  { stateDirectory, runDirectory }: Settings['node'],
): Promise<Facts['files']> =>
  Promise.all(
    (
      [
        [file, 'configuration'],
        [stateDirectory, 'state directory'],
        ...STATE_FILES.map((name) => [`${stateDirectory}/${name}`, 'identity'] as const),
        [runDirectory, 'run directory'],
      ] as const
    ).map(async ([path, what]) => {
      try {
        return { path, what, stat: await world.stat(path), problem: undefined }
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        const problem = code === 'EACCES' ? 'only root may look' : String(code ?? error)
        return { path, what, stat: undefined, problem }
      }
    }),
  )
