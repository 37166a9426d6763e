import type { Address } from '../../../shared/net/address.ts'
import { isUsable, type ObservedLink } from '../../model/observed.ts'

/**
 * The addresses that packets of this host come from, as one text: when it changes, every connection and path may be another one.
 * Without those of the mesh's own link, which comes up because of all this, and of links that lead to nobody else, which come and go
 * with containers.
 */
export const ownAddresses = (links: readonly ObservedLink[], ownLinkName: string): string =>
  links
    .filter(({ name, isUp, leadsNowhere }) => isUp && leadsNowhere === undefined && name !== ownLinkName)
    .flatMap(({ name, addresses }) =>
      addresses
        .filter((observed) => observed.scope === 'global' && isUsable(observed))
        .map(({ address }) => `${name} ${address}`),
    )
    .sort()
    .join()

/** Of this host, as far as others may have them too: whatever of its links leaves them. */
export const hostAddresses = (links: readonly ObservedLink[], ownLinkName: string): readonly Address[] =>
  links
    .filter(({ name }) => name !== ownLinkName)
    .flatMap(({ addresses }) =>
      addresses.filter(({ scope }) => scope === 'global' || scope === 'site').map(({ address }) => address),
    )
