/** What a discovery service made of our proof of membership. Those that do not know of such say nothing. */
export type ProofAnswer =
  /** Only members change what members of this cluster have written there. */
  | { readonly kind: 'accepted' }
  /** It knows no write key of the cluster: who knows the id of the cluster may change everything there. */
  | { readonly kind: 'unused' }
  | { readonly kind: 'refused'; readonly why: string }
