export interface NftSet {
  readonly name: string
  /** One word per field, as `ipv4_addr` and `inet_service`. */
  readonly type: readonly string[]
  readonly isInterval: boolean
  /** Of sets whose elements are put there at some moment, and end by themselves: they are not compared. */
  readonly timeoutSeconds?: number
  /** As `nft` reads them: `10.0.0.0/8`, `192.0.2.1 . 443`, `443`. */
  readonly elements: readonly string[]
}

export interface NftChain {
  readonly name: string
  readonly type: 'filter' | 'route'
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority: number
  /** In order, without the comment by which a rule of ours is known. */
  readonly rules: readonly string[]
}

/** Everything in our table: sets that follow the peers, and chains that do not. */
export interface NftTable {
  /** By name; rules name them, and what they have counted is nobody's wish. */
  readonly counters: readonly string[]
  readonly sets: readonly NftSet[]
  readonly chains: readonly NftChain[]
}
