import { PRIORITY_FILTER } from '../../diff/nft-words.ts'
import { PRIORITY_AFTER_FILTERS } from '../../diff/return-path.ts'
import { type MarkRule, markRules } from '../../inspect/mark-rules.ts'
import { type Finding, info, warning } from '../../model/finding.ts'
import type { Facts } from '../facts.ts'

const hex = (value: number): string => `0x${value.toString(16)}`

/** Where ours are put on packets. */
const OUR_PRIORITIES: Readonly<Record<string, number>> = {
  output: PRIORITY_FILTER,
  prerouting: PRIORITY_AFTER_FILTERS,
}

/** Rules of nft by which others give packets marks that are read as ours, or take ours away. */
export function checkMarkRules({ firewall, settings: { placement } }: Facts): Finding[] {
  if (firewall === undefined || !('value' in firewall.ruleset)) return []
  const { fwmarkMask, nftTable } = placement
  return markRules(firewall.ruleset.value)
    .filter(({ family, table }) => family !== 'inet' || table !== nftTable)
    .flatMap((rule) => checkMarkRule(rule, fwmarkMask))
}

function checkMarkRule(rule: MarkRule, mask: number): Finding[] {
  const { family, table, chain, effect } = rule
  const where = `a rule of chain ${chain} of table ${family} ${table}`
  const ours = hex(mask)
  if (effect === undefined)
    return [
      info(
        'marks',
        `${where} sets marks in a way that nft does not show: they must not use our bits ${ours}`,
        'iptables-save -t mangle; ip6tables-save -t mangle',
      ),
    ]
  const other =
    'placement: {fwmarkMask: …, wireguardFwmark: …, routeFwmark: …} in a NodeConfig, with two other bits'
  const shared = (effect.sets & mask) >>> 0
  if (effect.isRestored && shared !== 0)
    return [
      warning(
        'marks',
        `${where} gives packets the mark of their connection, with our bits ${ours}: where it was saved from a packet of ours, answers enter the mesh`,
        `nft -a list chain ${family} ${table} ${chain}, and give saving and restoring a mask without ${ours}; or ${other}`,
      ),
    ]
  if (shared !== 0)
    return [
      warning(
        'marks',
        `${where} sets bits of the packet mark that are ours (${hex(shared)} of ${ours}): what is not for the mesh may be sent into it, and is lost`,
        other,
      ),
    ]
  return (~effect.keeps & mask) !== 0 && isAfterOurs(rule)
    ? [
        warning(
          'marks',
          `${where} takes our mark away after it was given: such packets for the mesh are dropped`,
          `nft -a list chain ${family} ${table} ${chain}, and let it keep the bits ${ours}: meta mark set meta mark & ${ours} | …`,
        ),
      ]
    : []
}

/** At later hooks no packet is routed any more. */
const isAfterOurs = ({ hook = '', priority = 0 }: MarkRule): boolean =>
  priority >= (OUR_PRIORITIES[hook] ?? Infinity)
