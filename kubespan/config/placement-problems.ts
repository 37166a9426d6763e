import type { Placement } from '../model/desired.ts'

/** What is wrong with marks that each are a number as they should be. */
export function placementProblems({
  wireguardFwmark,
  routeFwmark,
  fwmarkMask,
}: Pick<Placement, 'wireguardFwmark' | 'routeFwmark' | 'fwmarkMask'>): readonly string[] {
  const isOutside = (mark: number): boolean => (mark & fwmarkMask) >>> 0 !== mark
  return [
    ...(isOutside(wireguardFwmark) ? ['wireguardFwmark has bits outside fwmarkMask'] : []),
    ...(isOutside(routeFwmark) ? ['routeFwmark has bits outside fwmarkMask'] : []),
    ...(wireguardFwmark === routeFwmark ? ['wireguardFwmark and routeFwmark must differ'] : []),
  ]
}
