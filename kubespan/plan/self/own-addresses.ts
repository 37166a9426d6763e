import { isUsable, type ObservedLink } from '../../model/observed.ts'

/**
 * The addresses that packets of this host come from, as one text: when it changes, every connection and path may be another one.
 * Without those of the mesh's own link, which comes up because of all this.
 */
export const ownAddresses = (links: readonly ObservedLink[], ownLinkName: string): string =>
  links
    .filter(({ name, isUp }) => isUp && name !== ownLinkName)
    .flatMap(({ name, addresses }) =>
      addresses
        .filter((observed) => observed.scope === 'global' && isUsable(observed))
        .map(({ address }) => `${name} ${address}`),
    )
    .sort()
    .join()
