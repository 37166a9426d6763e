import { readFile } from 'node:fs/promises'

/** Numbers of capabilities(7). */
export const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const
export type Capability = keyof typeof CAPABILITIES

/** What a process may do, as bit sets. */
export interface Privileges {
  readonly uid: number
  readonly effective: bigint
  /** What programs that it starts get, unless it is root. */
  readonly ambient: bigint
  readonly bounding: bigint
}

export const observePrivileges = async (file = '/proc/self/status'): Promise<Privileges> =>
  parsePrivileges(await readFile(file, 'utf8'))

/** The lines `Uid:` and `CapXxx:` of /proc/PID/status. */
export function parsePrivileges(text: string): Privileges {
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(\\S+)\\s(\\S*)`, 'm').exec(text)?.[1] ?? '0'
  const bits = (name: string): bigint => BigInt(`0x${field(name)}`)
  const effectiveUid = /^Uid:\s*\d+\s+(\d+)/m.exec(text)?.[1] ?? '0'
  return {
    uid: Number(effectiveUid),
    effective: bits('CapEff'),
    ambient: bits('CapAmb'),
    bounding: bits('CapBnd'),
  }
}

const has = (set: bigint, capability: Capability): boolean =>
  ((set >> BigInt(CAPABILITIES[capability])) & 1n) === 1n

/** Whether the tools that this process starts will have the capability; if not, what is wrong, as half a sentence. */
export function whyNotHeld(
  { uid, effective, ambient }: Privileges,
  capability: Capability,
): string | undefined {
  if (!has(effective, capability)) return `${capability} is missing`
  // Only root's children get what it has; others must pass it on expressly.
  if (uid !== 0 && !has(ambient, capability))
    return `${capability} is not ambient, so the tools do not get it`
  return undefined
}
