import type { Milliseconds } from '../../shared/clock.ts'
import { type Address, parseAddress } from '../../shared/net/address.ts'
import type { Change } from '../diff/change.ts'
import {
  describeLinkOperation,
  diffLink,
  diffLinkSettings,
  type LinkSettings,
  type LinkView,
  linkArguments,
  settingPaths,
} from '../diff/link.ts'
import type { Host } from '../host/host.ts'
import { ToolError } from '../host/tool-error.ts'
import type { DesiredState } from '../model/desired.ts'
import type { AddressScope } from '../model/observed.ts'

/** `auto`: the kernel's where it has one, else a userspace process. */
export type WireGuardImplementation = 'auto' | 'kernel' | 'userspace'

/** wireguard-go is there within 0.1 s; a machine that starts up may take its time. */
const START_LIMIT: Milliseconds = 5_000
const START_LOOK_EVERY: Milliseconds = 20

/** In the run directory. */
const logNameOf = (linkName: string): string => `wireguard-go-${linkName}.log`

interface LinkRow {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly mtu: number
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info: readonly {
    readonly local: string
    readonly prefixlen: number
    readonly scope: AddressScope
  }[]
}

/** Undefined when there is no link of this name. */
export async function observeLink(host: Host, linkName: string): Promise<LinkView | undefined> {
  const text = await host
    .run('ip', ['-json', '-details', 'address', 'show', 'dev', linkName])
    .catch((error: unknown) => {
      if (error instanceof ToolError && /does not exist/.test(error.stderr)) return '[]'
      throw error
    })
  return findLink(text, linkName)
}

/** In `ip -json -details address show` of one link or all. */
export function findLink(text: string, linkName: string): LinkView | undefined {
  const row = (JSON.parse(text) as LinkRow[]).find(({ ifname }) => ifname === linkName)
  if (row === undefined) return undefined
  return {
    kind: row.linkinfo?.info_kind,
    isUp: row.flags.includes('UP'),
    mtuBytes: row.mtu,
    addresses: row.addr_info.flatMap(({ local, prefixlen, scope }) => {
      const address: Address | undefined = parseAddress(local)
      return address === undefined ? [] : [{ address, bits: prefixlen, scope }]
    }),
  }
}

/**
 * Makes the link: the kernel's, or that of a wireguard-go which lives on when this process ends.
 * @throws when neither can be had
 */
export async function createLink(
  host: Host,
  linkName: string,
  implementation: WireGuardImplementation,
): Promise<Change> {
  if (implementation !== 'userspace') {
    try {
      await host.run('ip', ['link', 'add', 'dev', linkName, 'type', 'wireguard'])
      return { action: 'add', what: `link ${linkName} (kernel)`, reason: 'missing' }
    } catch (error) {
      if (implementation === 'kernel' || !isNoKernelWireGuard(error)) throw error
    }
  }
  const logName = logNameOf(linkName)
  await untilSocketIsFree(host, linkName)
  await host.spawnDetached('wireguard-go', ['-f', linkName], logName)
  await untilItAnswers(host, linkName, logName)
  return { action: 'add', what: `link ${linkName} (wireguard-go)`, reason: 'missing' }
}

const isNoKernelWireGuard = (error: unknown): boolean =>
  error instanceof ToolError && /unknown device type|not supported/i.test(error.stderr)

/**
 * A wireguard-go whose link was deleted holds its socket for a moment longer, and a new one would find it in use and
 * give up. (A socket that nobody holds has been removed by `wg`, the first time it got no answer.)
 */
async function untilSocketIsFree(host: Host, linkName: string): Promise<void> {
  const deadline = host.clock.now() + START_LIMIT
  while ((await host.hasSocket(linkName)) && host.clock.now() < deadline)
    await new Promise<void>((wake) => void host.clock.after(START_LOOK_EVERY, wake))
}

/**
 * `wg` is not called before the socket takes calls: it removes a socket that refuses one, and that is what a wireguard-go
 * between its bind and its listen does, which then ends for want of its socket.
 */
async function untilItAnswers(host: Host, linkName: string, logName: string): Promise<void> {
  const deadline = host.clock.now() + START_LIMIT
  while (!((await host.isSocketAnswered(linkName)) && (await isWireGuard(host, linkName)))) {
    if (host.clock.now() >= deadline) {
      const said = (await host.lastLogLine(logName)) ?? 'it said nothing'
      throw new Error(
        `wireguard-go did not make link ${linkName}: ${said} (the end of ${logName} in the run directory)`,
      )
    }
    await new Promise<void>((wake) => void host.clock.after(START_LOOK_EVERY, wake))
  }
}

/** Undefined when it is what is wanted. To replace a link costs every tunnel, so nobody but the operator does that. */
export function describeOtherKind(
  { kind }: LinkView,
  linkName: string,
  wanted: WireGuardImplementation,
): string | undefined {
  const isKernel = kind === 'wireguard'
  if (wanted === 'auto' || kind === undefined || isKernel === (wanted === 'kernel')) return undefined
  const is = isKernel ? "the kernel's" : 'a userspace one'
  return `link ${linkName} is ${is} although wireguard: ${wanted} is configured: it stays until kubespan down and a new start`
}

/** Whether `wg` can speak to the link. */
export async function isWireGuard(host: Host, linkName: string): Promise<boolean> {
  try {
    await host.run('wg', ['show', linkName, 'listen-port'])
    return true
  } catch (error) {
    if (error instanceof ToolError && error.kind === 'failed') return false
    throw error
  }
}

export interface LinkReport {
  readonly changes: readonly Change[]
  /** False where it is turned off for the link and may not be turned on, as in some containers. */
  readonly hasIpv6: boolean
  readonly warnings: readonly string[]
}

/** Settings, MTU, state and addresses of a link that exists. */
export async function applyLink(host: Host, desired: DesiredState, link: LinkView): Promise<LinkReport> {
  const { linkName } = desired.placement
  const changes: Change[] = []
  if (link.kind === 'tun') await host.limitLog(logNameOf(linkName))
  let settings = await observeLinkSettings(host, linkName)
  for (const operation of diffLinkSettings(desired, settings))
    if (await host.writeSetting(operation.path, operation.value))
      changes.push(describeLinkOperation(operation))
  if (changes.length > 0) settings = await observeLinkSettings(host, linkName)

  const { operations, warnings } = diffLink(desired, link, settings)
  for (const operation of operations) {
    await host.run('ip', linkArguments(linkName, operation))
    changes.push(describeLinkOperation(operation))
  }
  return { changes, warnings, hasIpv6: settings.disableIpv6 === 0 }
}

async function observeLinkSettings(host: Host, linkName: string): Promise<LinkSettings> {
  const read = async (path: string): Promise<number | undefined> => {
    const value = await host.readSetting(path)
    return value === undefined ? undefined : Number(value)
  }
  const paths = settingPaths(linkName)
  const [rpFilterAll, rpFilterLink, disableIpv6, forwardingV4, forwardingV6] = await Promise.all([
    read(paths.rpFilterAll),
    read(paths.rpFilterLink),
    read(paths.disableIpv6),
    read(paths.forwardingV4),
    read(paths.forwardingV6),
  ])
  return { rpFilterAll, rpFilterLink, disableIpv6, forwardingV4, forwardingV6 }
}
