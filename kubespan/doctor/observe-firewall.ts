import type { Seen } from '../model/finding.ts'
import type { Ruleset } from '../model/nft-ruleset.ts'
import type { FirewallFact, ProcessFact } from './facts.ts'
import type { DoctorWorld } from './world.ts'

const LEGACY_TABLES = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']

/** The rules, and who manages them. */
export async function observeFirewall(
  world: DoctorWorld,
  ruleset: Promise<Seen<Ruleset>>,
  processes: Promise<readonly ProcessFact[]>,
): Promise<FirewallFact> {
  const isThere = async (...paths: readonly string[]): Promise<boolean> =>
    (await Promise.all(paths.map((path) => world.stat(path).catch(() => undefined)))).some(
      (found) => found !== undefined,
    )
  const [hasUfw, hasIptablesNft, ...tables] = await Promise.all([
    isThere('/usr/sbin/ufw', '/sbin/ufw'),
    isThere('/usr/sbin/iptables-nft', '/sbin/iptables-nft'),
    ...LEGACY_TABLES.map((path) => world.read(path).catch(() => undefined)),
  ])
  return {
    ruleset: await ruleset,
    hasFirewalld: (await processes).some(({ name }) => name === 'firewalld'),
    hasUfw,
    hasIptablesNft,
    hasLegacyTables: tables.some((names) => /^filter$/m.test(names ?? '')),
  }
}
