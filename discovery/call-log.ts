import type { Clock, Milliseconds, UnixMilliseconds } from '../shared/clock.ts'
import { clusterTag } from '../shared/log.ts'
import type { FinishedCall } from './transport/observe.ts'
import { STATUS, statusName } from './transport/status.ts'

export interface CallLogOptions {
  readonly clock: Clock
  /** Takes whole lines, several at once. */
  readonly write: (lines: string) => void
  /** Show cluster ids, which are capabilities, and not only their tags. */
  readonly showsIds: boolean
}

const SECOND_MS = 1000
/** Lines wait no longer than this, and no more of them than that. */
const WAIT_MAX_MS: Milliseconds = 250
const WAIT_MAX_CHARACTERS = 16_384
/** Tags are remembered for so many clusters. */
const TAGS_MAX = 4096
/** What clients say can be long; no id that is accepted is longer. */
const TEXT_MAX_CHARACTERS = 256

/**
 * A line of JSON per call (SPEC 1.11), as the logger would write it, at a tenth of the cost: it knows its fields, none
 * of them is a secret, and it writes many lines at once.
 */
export class CallLog implements Disposable {
  readonly #options: CallLogOptions
  readonly #tags = new Map<string, string>()
  #lines: string[] = []
  #size = 0
  #alarm: Disposable | undefined
  #second: UnixMilliseconds = Number.NaN
  #secondText = ''

  constructor(options: CallLogOptions) {
    this.#options = options
  }

  note(call: FinishedCall): void {
    const { clock } = this.#options
    const parts = ['{"level":"info","time":"', this.#timeText(clock.wall()), '","method":"', call.method]
    parts.push(
      '","duration":',
      `${Math.round(call.duration * 1000) / 1000}`,
      ',"code":"',
      statusName(call.code),
    )
    if (call.code !== STATUS.OK) parts.push('","error":', JSON.stringify(call.message))
    else parts.push('"')
    if (call.address !== undefined) parts.push(',"peer.address":', JSON.stringify(call.address))
    if (call.clusterId !== undefined) parts.push(',"cluster":', this.#nameOf(call.clusterId))
    if (call.affiliateId !== undefined) parts.push(',"affiliate_id":', quote(call.affiliateId))
    if (call.clientVersion !== undefined) parts.push(',"client_version":', quote(call.clientVersion))
    parts.push(',"msg":"call"}\n')
    this.#add(parts.join(''))
  }

  flush(): void {
    this.#alarm?.[Symbol.dispose]()
    this.#alarm = undefined
    if (this.#lines.length === 0) return
    const lines = this.#lines.join('')
    this.#lines = []
    this.#size = 0
    this.#options.write(lines)
  }

  [Symbol.dispose](): void {
    this.flush()
  }

  /** Joined texts are flat: adding one to another would leave a tree of pieces, which costs far more when it is written. */
  #add(line: string): void {
    this.#lines.push(line)
    this.#size += line.length
    if (this.#size >= WAIT_MAX_CHARACTERS) this.flush()
    else this.#alarm ??= this.#options.clock.after(WAIT_MAX_MS, () => this.flush())
  }

  /** ISO 8601. Many calls fall into one second. */
  #timeText(at: UnixMilliseconds): string {
    const milliseconds = Math.floor(at) % SECOND_MS
    const second = Math.floor(at) - milliseconds
    if (second !== this.#second) {
      this.#second = second
      this.#secondText = new Date(second).toISOString().slice(0, -'000Z'.length)
    }
    return `${this.#secondText}${milliseconds < 10 ? '00' : milliseconds < 100 ? '0' : ''}${milliseconds}Z`
  }

  /** In quotes. */
  #nameOf(clusterId: string): string {
    if (clusterId.length > TEXT_MAX_CHARACTERS) return '"too long"'
    if (this.#options.showsIds) return quote(clusterId)
    let name = this.#tags.get(clusterId)
    if (name === undefined) {
      if (this.#tags.size >= TAGS_MAX) this.#tags.clear()
      name = `"${clusterTag(clusterId)}"`
      this.#tags.set(clusterId, name)
    }
    return name
  }
}

const quote = (text: string): string =>
  JSON.stringify(text.length > TEXT_MAX_CHARACTERS ? `${text.slice(0, TEXT_MAX_CHARACTERS)}…` : text)
