import type { ObservedLink } from '../../model/observed.ts'
import { judgeLinks, type LinkJudgement } from './judge-links.ts'

export interface LinkEventInput {
  readonly name: string
  /** One end of a pair, or on top of another link. */
  readonly isPaired: boolean
  /** To an address that reaches beyond the link. */
  readonly isAddress: boolean
}

/**
 * Whether something that happened to a link may change what this node says of itself, or how it reaches others. `links` are those
 * of the last look, judged: a link that was not there then has no address yet, and its address will be an event of its own.
 */
export function mayMatter(
  { name, isPaired, isAddress }: LinkEventInput,
  links: readonly ObservedLink[],
  judgement: LinkJudgement,
): boolean {
  // With it comes a network that is local to this host, whatever the link leads to.
  if (isAddress) return true
  const known = links.find((link) => link.name === name)
  const [judged] = known === undefined ? judgeLinks([unseen(name)], judgement) : [known]
  if (judged?.leadsNowhere !== undefined) return false
  if (known === undefined) return !isPaired
  return (
    known.isPhysical ||
    known.hasDefaultRoute === true ||
    known.addresses.some(({ scope }) => scope === 'global' || scope === 'site')
  )
}

/** Only its name is known. */
const unseen = (name: string): ObservedLink => ({
  name,
  isUp: false,
  hasCarrier: false,
  isPhysical: false,
  mac: undefined,
  addresses: [],
})
