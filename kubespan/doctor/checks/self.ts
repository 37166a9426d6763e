import { type Finding, info } from '../../model/finding.ts'
import { describeLeftOut } from '../../model/own-address.ts'
import type { Facts } from '../facts.ts'

/** What of this host's links and addresses the daemon does not publish. */
export function checkSelf({ daemon }: Facts): Finding[] {
  const leftOut = 'value' in daemon ? describeLeftOut(daemon.value?.leftOut ?? []) : undefined
  return leftOut === undefined
    ? []
    : [info('addresses', leftOut, 'filters: {links: ["!NAME"]} in a NodeConfig keeps one')]
}
