import type { Placement } from '../model/desired.ts'
import { allBut, hex } from '../model/mark-words.ts'
import { STRETCHES, type Stretch } from '../model/return-path.ts'

/** Where what is forwarded gets its mark: by it, the way back to a pod would be into the tunnel. */
export const PRIORITY_AFTER_FILTERS = 20

/**
 * The way back to whoever sends through the tunnel is found by the mark alone. A filter that wants it to be the way that a packet
 * came by would drop everything that comes out of the tunnel; so where such filters are, these packets have the mark, and
 * before anything is translated, routed or delivered it is taken off again. What is forwarded into the tunnel has come by another link,
 * and is without it there. Of the rest of the mark nothing is touched.
 */
export function returnPathChains({ linkName, routeFwmark, fwmarkMask }: Placement, first: readonly string[]) {
  const keep = allBut(fwmarkMask)
  const mark = `meta mark set meta mark & ${keep} | ${hex(routeFwmark)}`
  const unmark = `meta mark set meta mark & ${keep}`
  const [from, into] = [`iifname "${linkName}"`, `oifname "${linkName}"`]
  const rules = (hook: Stretch['hook']): readonly [string[], string[]] =>
    hook === 'forward'
      ? [
          [`${from} ${mark}`, `iifname != "${linkName}" ${into} ${unmark}`],
          [`${from} oifname != "${linkName}" ${unmark}`, `${into} ${mark}`],
        ]
      : [[`${from} ${mark}`], [`${from} ${unmark}`]]
  return STRETCHES.flatMap(({ name, hook, from: begin, until }, place) => {
    const [begins, ends] = rules(hook)
    const chain = { type: 'filter' as const, hook }
    return [
      { ...chain, name, priority: begin, rules: [...(place === 0 ? first : []), ...begins] },
      { ...chain, name: `${name}_end`, priority: until, rules: ends },
    ]
  })
}
