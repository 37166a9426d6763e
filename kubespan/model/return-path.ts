/** Between two priorities of a hook. */
export interface Stretch {
  /** Of the chain that it begins with. */
  readonly name: string
  readonly hook: 'prerouting' | 'input' | 'forward'
  readonly from: number
  readonly until: number
}

/**
 * Where filters ask for the way back to a packet's source, by mark: at raw and mangle (-300 and -150, of firewalld 10 later), before
 * destinations are translated (-100); at filter (0, of firewalld 10 later) before, and after, packets are routed.
 */
export const STRETCHES: readonly Stretch[] = [
  { name: 'kubespan_back', hook: 'prerouting', from: -310, until: -110 },
  { name: 'kubespan_back_late', hook: 'prerouting', from: -5, until: 15 },
  { name: 'kubespan_back_input', hook: 'input', from: -5, until: 15 },
  { name: 'kubespan_back_forward', hook: 'forward', from: -5, until: 15 },
]

/** Whether a filter that goes by the mark finds the way back by it there. */
export const isMarkedAt = (hook: string | undefined, priority: number | undefined): boolean =>
  priority !== undefined &&
  STRETCHES.some((one) => one.hook === hook && one.from < priority && priority < one.until)
