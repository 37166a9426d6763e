/**
 * What a test tells a hostile discovery service to do: plain values, because they reach it as JSON. A behaviour lasts
 * until the next one; every other order is carried out at once, and orders are made of orders.
 */

/** A record as a service has it. Bytes are in base64. */
export interface SealedRecord {
  readonly id: string
  readonly data: string
  readonly endpoints: readonly string[]
}

/** How one kind of call is answered. */
export type Answer =
  | 'properly'
  | 'never'
  | 'one byte at a time'
  /** Half of a message, and then the end of the connection. */
  | 'by half'
  /** What is no message of the protocol. */
  | 'with junk'
  /** As if it were about to go, a thousand times, and it stays. */
  | 'with farewells'
  | 'with many trailers'
  /** A status of gRPC, and the text with it. */
  | { readonly status: number; readonly text: string }

/** Honest in all that is not said. */
export interface Behaviour {
  readonly hello?: Answer
  readonly update?: Answer
  readonly watch?: Answer
  /** What Hello says is the caller's address, in hex: any bytes. */
  readonly clientIp?: string
  /** Where Hello sends everybody. */
  readonly redirect?: string
  /** Updates and deletions are answered properly, and nothing comes of them. */
  readonly swallows?: boolean
  /** Records of which watchers are not told, in snapshots or later. */
  readonly withholds?: 'all' | readonly string[]
  /** Each watch begins with one more message, of so many records that have nothing in them. */
  readonly emptyRecords?: number
  /** Messages of Watch are compressed. */
  readonly compresses?: boolean
}

export type Order =
  | { readonly do: 'behave'; readonly as: Behaviour }
  /** Tells watchers that these are deleted, or all that it has; it keeps them. */
  | { readonly do: 'say deleted'; readonly ids?: readonly string[] }
  /** Tells watchers of these as it has them, or of all. */
  | { readonly do: 'say present'; readonly ids?: readonly string[] }
  /** Tells watchers this, and keeps nothing of it. */
  | { readonly do: 'say'; readonly records: readonly SealedRecord[] }
  /** Takes these in as if somebody had written them. */
  | { readonly do: 'take'; readonly records: readonly SealedRecord[] }
  /** As if somebody had deleted them. */
  | { readonly do: 'delete'; readonly ids: readonly string[] }
  /** Tells watchers of an earlier state of the record; 0 is the first that was written. */
  | { readonly do: 'replay'; readonly id: string; readonly place: number }
  /** Each record with the endpoints of the next one. */
  | { readonly do: 'say swapped' }
  /** Whoever watches has to begin anew, with a snapshot. */
  | { readonly do: 'end watches' }
  /** As when the service starts anew, but that it keeps what it has. */
  | { readonly do: 'end connections' }
  /** One message of Watch with so many records that have nothing in them. */
  | { readonly do: 'say empty'; readonly records: number }
  /** Bytes in base64 as the message of a frame. */
  | { readonly do: 'say bytes'; readonly bytes: string }
  | { readonly do: 'together'; readonly orders: readonly Order[] }
  /** So many of these at each tick, one after the other and over again. Goes on beside what is ordered next. */
  | {
      readonly do: 'repeat'
      readonly orders: readonly Order[]
      readonly everyMilliseconds: number
      readonly atOnce?: number
    }
  | { readonly do: 'stop repeating' }
  | { readonly do: 'look' }

/** What the service has seen and done. */
export interface Sight {
  readonly hellos: number
  readonly updates: number
  readonly watchers: number
  /** Messages of Watch, and those that it kept to itself because nobody read them. */
  readonly said: number
  readonly held: number
  readonly records: readonly SealedRecord[]
  /** How many states of each record it has seen. */
  readonly states: Readonly<Record<string, number>>
}
