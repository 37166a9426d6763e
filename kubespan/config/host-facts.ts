import { readFile } from 'node:fs/promises'
import { hostname, release, type as systemName } from 'node:os'
import { ProxySettings } from '../model/proxy.ts'

/** What this machine is called when nobody says otherwise. */
export interface HostFacts {
  readonly hostname: string
  readonly operatingSystem: string
  /** How Kubernetes calls it, where the pod that we run in was told. */
  readonly nodeName?: string | undefined
  /** From the environment; a text says why it cannot be used. */
  readonly proxy?: ProxySettings | string | undefined
}

/** What the machine says of itself: its name, and the operating system as `NAME (VERSION)` (SPEC 3.4). */
export async function hostFacts(): Promise<HostFacts> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}="?([^"\\n]*)"?$`, 'm').exec(text)?.[1]
  const name = field('NAME') ?? systemName()
  const version = field('VERSION_ID') ?? release()
  // The DaemonSet sets it from spec.nodeName.
  const nodeName = process.env.NODE_NAME || undefined
  return {
    hostname: hostname(),
    operatingSystem: `${name} (${version})`,
    nodeName,
    proxy: ProxySettings.fromEnvironment(process.env),
  }
}
