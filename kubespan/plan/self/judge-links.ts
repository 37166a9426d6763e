import { DEFAULT_LINK_FILTERS, type LinkFilter, parseLinkFilter } from '../../model/link-filter.ts'
import type { ObservedLink } from '../../model/observed.ts'
import type { Settings } from '../../model/settings.ts'

export interface LinkJudgement {
  /** `filters.links` of the configuration. */
  readonly linkFilters: readonly string[]
  /** Ours, which is never judged by its name or kind. */
  readonly ownLinkName: string
}

export const judgementOf = ({
  linkFilters,
  placement,
}: Pick<Settings, 'linkFilters' | 'placement'>): LinkJudgement => ({
  linkFilters,
  ownLinkName: placement.linkName,
})

/**
 * Marks the links that lead to nobody else: neither endpoints nor routed addresses are on them, and what happens to them is no
 * move of this host. The defaults come first, then what the user says; of all that match the last one decides. But no default
 * takes away a link that carries a default route, or a bridge that one of this machine's own cards is in.
 */
export function judgeLinks(
  links: readonly ObservedLink[],
  { linkFilters, ownLinkName }: LinkJudgement,
): readonly ObservedLink[] {
  const byUser = filtersOf(linkFilters)
  return links.map((link) => {
    if (link.name === ownLinkName) return link
    const said = byUser.findLast((filter) => filter.matches(link))
    const found = said ?? (leadsOut(link, links) ? undefined : DEFAULTS.findLast((one) => one.matches(link)))
    if (found === undefined || found.isKept) return link
    return { ...link, leadsNowhere: `link ${link.name} leads to nobody else (filters.links: ${found.text})` }
  })
}

const filtersOf = (texts: readonly string[]): readonly LinkFilter[] =>
  texts.flatMap((text) => parseLinkFilter(text) ?? [])

const DEFAULTS = filtersOf(DEFAULT_LINK_FILTERS)

const leadsOut = (link: ObservedLink, links: readonly ObservedLink[]): boolean =>
  link.hasDefaultRoute === true || links.some((port) => port.master === link.name && isCard(port))

/** A card of this machine, or what stands on some. */
const isCard = ({ isPhysical, kind = '' }: ObservedLink): boolean => isPhysical || STACKED.has(kind)
const STACKED: ReadonlySet<string> = new Set(['bond', 'team', 'vlan'])
