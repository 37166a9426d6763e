import { setFlagsFromString } from 'node:v8'

/** The heap may grow by so much of what is alive before it is swept. */
const GROWTH_PERCENT = 80

/**
 * Has garbage collected early. A look at a thousand peers leaves some megabytes of it, of which V8 would keep hundreds on
 * a machine with much memory; and each start of a tool copies the page tables of all that this process holds.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`)
}
