import { describeMarkDetour, takesOurMark } from '../../diff/chain-detours.ts'
import type { Placement } from '../../model/desired.ts'
import { type Finding, info, warning } from '../../model/finding.ts'
import { type MarkRule, markRules } from '../../model/mark-rules.ts'
import { hex } from '../../model/mark-words.ts'
import type { Facts } from '../facts.ts'

/** Rules of nft by which others give packets marks that are read as ours, or take ours away. */
export function checkMarkRules({ firewall, settings: { placement } }: Facts): Finding[] {
  if (firewall === undefined || !('value' in firewall.ruleset)) return []
  const { nftTable } = placement
  const findings = markRules(firewall.ruleset.value)
    .filter(({ family, table }) => family !== 'inet' || table !== nftTable)
    .flatMap((rule) => checkMarkRule(rule, placement))
  // One that packets come to by several ways is one.
  return [...new Map(findings.map((finding) => [finding.says, finding])).values()]
}

function checkMarkRule(rule: MarkRule, placement: Placement): Finding[] {
  const mask = placement.fwmarkMask
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
  if (takesOurMark(rule, placement)) {
    const { what, mend } = describeMarkDetour(rule, placement)
    return [warning('marks', what, mend)]
  }
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
  return []
}
