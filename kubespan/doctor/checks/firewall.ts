import { type Family, familyOf } from '../../../shared/net/address.ts'
import type { TestPacket } from '../../inspect/nft-match.ts'
import { type ChainVerdict, judgeChain } from '../../inspect/nft-verdict.ts'
import { type Finding, info, ok, warning } from '../../model/finding.ts'
import type { Ruleset, RulesetChain } from '../../model/nft-ruleset.ts'
import type { Facts, FirewallFact } from '../facts.ts'

/** Whether the firewall of this host lets the calls of peers in, and what comes out of the tunnel. */

/** Hooks that a packet for this host passes; at each of them every chain has its say. */
const INWARD = new Set(['ingress', 'prerouting', 'input'])

interface Question {
  readonly hooks: ReadonlySet<string>
  /** What may arrive; a chain is asked about each. */
  readonly packets: readonly TestPacket[]
  readonly closed: (of: string, does: string, where: string) => string
  readonly partly: (of: string) => string
  /** The command that lets it pass. */
  readonly mend: (chain: RulesetChain, firewall: FirewallFact) => string
}

export function checkFirewall(facts: Facts): Finding[] {
  const { firewall, settings } = facts
  if (firewall === undefined || !('value' in firewall.ruleset)) return checkPolicies(facts)
  const ruleset = firewall.ruleset.value
  const findings = [call(facts), ...fromMesh(facts)].flatMap((question) => {
    const chains = ruleset.chains.filter(
      ({ family, table, hook }) =>
        question.hooks.has(hook ?? '') && !(family === 'inet' && table === settings.placement.nftTable),
    )
    return chains.flatMap((chain) => ask(question, chain, ruleset, firewall))
  })
  const { listenPort } = settings.placement
  if (firewall.hasLegacyTables)
    findings.push(
      info(
        'firewall',
        `iptables-legacy has tables, and what is in them cannot be told from here: UDP ${listenPort} must be let in`,
        `iptables-legacy -I INPUT -p udp --dport ${listenPort} -j ACCEPT`,
      ),
    )
  return findings.length > 0 ? findings : [ok('firewall', `UDP ${listenPort} is let in`)]
}

/** That a new peer calls us. */
function call(facts: Facts): Question {
  const { listenPort } = facts.settings.placement
  const rule = `udp dport ${listenPort} accept`
  const packets = ([4, 6] as const).flatMap((family) =>
    linksOf(facts, family).map((iif) => ({ family, iif, udpPort: listenPort })),
  )
  // A host that is not on any network yet will be.
  const anywhere = ([4, 6] as const).map((family) => ({ family, iif: undefined, udpPort: listenPort }))
  return {
    hooks: INWARD,
    packets: packets.length > 0 ? packets : anywhere,
    closed: (of, does, where) => `${of} ${does} UDP ${listenPort}${where}: no peer can call this node`,
    partly: (of) =>
      `${of} lets UDP ${listenPort} in from some, or by rules that cannot be judged from here; it must be let in from all peers`,
    mend: (chain, firewall) =>
      byManager(chain, firewall, {
        firewalld: `--add-port=${listenPort}/udp`,
        ufw: `allow ${listenPort}/udp`,
        iptables: `-p udp --dport ${listenPort} -j ACCEPT`,
        nft: rule,
      }),
  }
}

/** That what comes out of the tunnel gets to this host, and on to its pods. */
function fromMesh({ settings }: Facts): Question[] {
  const { linkName } = settings.placement
  const question = (hooks: readonly string[], what: string, oif?: string): Question => {
    const iif = oif === undefined ? linkName : undefined
    const direction = oif === undefined ? 'iifname' : 'oifname'
    return {
      hooks: new Set(hooks),
      packets: ([4, 6] as const).map((family) => ({
        ...{ family, iif, udpPort: undefined },
        ...(oif === undefined ? {} : { oif }),
      })),
      closed: (of, does, where) => `${of} ${does} ${what}${where}`,
      partly: (of) => `${of} lets only some of ${what} pass, or cannot be judged from here`,
      mend: (chain, firewall) =>
        byManager(chain, firewall, {
          firewalld: `--zone=trusted --add-interface=${linkName}`,
          ufw: chain.hook === 'forward' ? `route allow in on ${linkName}` : `allow in on ${linkName}`,
          iptables: `${oif === undefined ? '-i' : '-o'} ${linkName} -j ACCEPT`,
          nft: `${direction} ${linkName} accept`,
        }),
    }
  }
  return [
    question(['input'], 'what comes out of the mesh'),
    ...(settings.advertiseKubernetesNetworks
      ? [
          question(['forward'], 'what comes out of the mesh for pods'),
          question(['forward'], 'what pods send into the mesh', linkName),
        ]
      : []),
  ]
}

function ask(question: Question, chain: RulesetChain, ruleset: Ruleset, firewall: FirewallFact): Finding[] {
  const verdicts = question.packets
    .filter((packet) => concerns(chain, packet))
    .map((packet) => ({ packet, ...judgeChain(ruleset, chain, packet) }))
  const closed = verdicts.filter(({ verdict }) => verdict === 'closed')
  const isPartly = verdicts.some(({ verdict }) => verdict === 'partly')
  const of = `chain ${chain.name} of table ${chain.family} ${chain.table}`
  const mend = question.mend(chain, firewall)
  const [first] = closed
  if (first === undefined) return isPartly ? [info('firewall', question.partly(of), mend)] : []
  const where = [
    only(
      closed.map(({ packet }) => `over IPv${packet.family}`),
      verdicts.map(({ packet }) => `over IPv${packet.family}`),
    ),
    only(
      closed.map(({ packet }) => `on ${packet.iif}`),
      verdicts.map(({ packet }) => `on ${packet.iif}`),
    ),
  ].join('')
  return [warning('firewall', question.closed(of, doesOf(chain, first.by), where), mend)]
}

/** Said only where it tells something apart. */
function only(some: readonly string[], all: readonly string[]): string {
  const [chosen, rest] = [new Set(some), new Set(all)]
  return chosen.size === rest.size ? '' : ` ${[...chosen].join(' and ')}`
}

function doesOf({ name }: RulesetChain, by: ChainVerdict['by']): string {
  const verb = by?.isReject ? 'rejects' : 'drops'
  if (by?.isPolicy) return `${verb}, by its policy,`
  return by === undefined || by.chain === name ? verb : `${verb}, in chain ${by.chain},`
}

const concerns = ({ family, device }: RulesetChain, packet: TestPacket): boolean =>
  (family === 'inet' || family === 'netdev' || family === (packet.family === 4 ? 'ip' : 'ip6')) &&
  (device === undefined || packet.iif === undefined || device === packet.iif)

/** Where peers may call from: the ways out of this host, or any link that has addresses. */
function linksOf({ uplinks, links, settings }: Facts, family: Family): readonly string[] {
  const ways = 'value' in uplinks ? uplinks.value.filter((uplink) => uplink.family === family) : []
  if (ways.length > 0) return ways.map(({ dev }) => dev)
  if (!('value' in links)) return []
  return links.value
    .filter(
      ({ name, isUp, addresses }) =>
        isUp &&
        name !== 'lo' &&
        name !== settings.placement.linkName &&
        addresses.some(({ address }) => familyOf(address) === family && !/^fe[89ab]/.test(address)),
    )
    .map(({ name }) => name)
}

interface Ways {
  readonly firewalld: string
  readonly ufw: string
  readonly iptables: string
  readonly nft: string
}

/** By whoever manages the chain: what is put there behind its back does not stay, or is refused. */
function byManager({ family, table, name, hook }: RulesetChain, firewall: FirewallFact, ways: Ways): string {
  if (table === 'firewalld' && firewall.hasFirewalld)
    return `firewall-cmd --permanent ${ways.firewalld} && firewall-cmd --reload`
  if (table === 'filter' && firewall.hasUfw && hook !== 'prerouting') return `ufw ${ways.ufw}`
  if (table === 'filter' && firewall.hasIptablesNft && /^(INPUT|FORWARD)$/.test(name))
    if (family === 'ip' || family === 'ip6')
      return `${family === 'ip' ? 'iptables-nft' : 'ip6tables-nft'} -I ${name} ${ways.iptables}`
  return `nft insert rule ${family} ${table} ${name} ${ways.nft}`
}

/** Without the rules, that a chain asks is all that can be told. */
function checkPolicies({ chains, settings }: Facts): Finding[] {
  if (!('value' in chains)) return []
  const port = settings.placement.listenPort
  return chains.value
    .filter(({ hook, policy }) => hook === 'input' && policy === 'drop')
    .map(({ family, table, name }) =>
      info(
        'firewall',
        `chain ${name} of table ${family} ${table} drops what it does not know: it must let UDP to ${port} in`,
        `nft insert rule ${family} ${table} ${name} udp dport ${port} accept`,
      ),
    )
}
