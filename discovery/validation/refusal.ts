/** A request we understood and will not serve. It is an answer, not a fault: nobody logs a stack for it. */
export type Refusal =
  /** The request itself is wrong; `what` is the text clients know (SPEC 1.3). */
  | { readonly kind: 'invalid'; readonly what: string }
  /** A cluster or an affiliate holds as much as it may. */
  | { readonly kind: 'full'; readonly what: 'affiliates' | 'endpoints' }
  /** Too many calls from one address: waiting for its turn would take longer than the call may. */
  | { readonly kind: 'throttled' }
  /** The service takes no clusters beyond those that it has. */
  | { readonly kind: 'crowded'; readonly what: string }
  /** What is asked of cannot be reached now, and will be again: who asks later is answered. */
  | { readonly kind: 'unavailable' }
  /** Only members of the cluster may do this, and the call does not prove to be one's; `what` says more. */
  | { readonly kind: 'unproven'; readonly what: string }
  /** The operator did not allow this cluster. */
  | { readonly kind: 'forbidden' }

export const invalid = (what: string): Refusal => ({ kind: 'invalid', what })
