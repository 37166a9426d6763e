import type { Clock, Milliseconds, UnixMilliseconds } from '../shared/clock.ts'
import { clusterTag, type LogLevel } from '../shared/log.ts'
import type { FinishedCall } from './transport/observe.ts'
import { STATUS, statusName } from './transport/status.ts'

export interface CallLogOptions {
  readonly clock: Clock
  /** What its lines are, for those who choose among them. */
  readonly level: LogLevel
  /** Takes whole lines, several at once. */
  readonly write: (lines: string) => void
  /** Show cluster ids, which are capabilities, and not only their tags. */
  readonly showsIds: boolean
}

const SECOND_MS = 1000
/** Lines wait no longer than this, and no more of them than that. */
const WAIT_MAX_MS: Milliseconds = 250
const WAIT_MAX_LINES = 128
/** Tags are remembered for so many clusters. */
const TAGS_MAX = 4096
/** What clients say can be long; no id that is accepted is longer. */
const TEXT_MAX_CHARACTERS = 256
const TOO_LONG = 'too long'

/** What a line needs of a call. */
type Entry = Omit<FinishedCall, 'throttled'> & { readonly at: UnixMilliseconds }

/**
 * A line of JSON per call (SPEC 1.11), as the logger would write it, at a tenth of the cost: it knows its fields, none
 * of them is a secret, and many lines are made and written at once.
 */
export class CallLog implements Disposable {
  readonly #options: CallLogOptions
  readonly #tags = new Map<string, string>()
  #entries: Entry[] = []
  #alarm: Disposable | undefined
  #second: UnixMilliseconds = Number.NaN
  #secondText = ''

  constructor(options: CallLogOptions) {
    this.#options = options
  }

  note(call: FinishedCall): void {
    const { clock } = this.#options
    this.#entries.push({
      at: clock.wall(),
      method: call.method,
      code: call.code,
      message: call.message,
      duration: call.duration,
      address: call.address,
      clusterId: bounded(call.clusterId),
      affiliateId: bounded(call.affiliateId),
      clientVersion: bounded(call.clientVersion),
    })
    if (this.#entries.length >= WAIT_MAX_LINES) this.flush()
    else this.#alarm ??= clock.after(WAIT_MAX_MS, () => this.flush())
  }

  flush(): void {
    this.#alarm?.[Symbol.dispose]()
    this.#alarm = undefined
    if (this.#entries.length === 0) return
    const lines = this.#entries.map((entry) => this.#lineOf(entry))
    this.#entries = []
    this.#options.write(lines.join(''))
  }

  [Symbol.dispose](): void {
    this.flush()
  }

  #lineOf(entry: Entry): string {
    const { code, message, address, clusterId, affiliateId, clientVersion } = entry
    const time = this.#timeText(entry.at)
    const duration = Math.round(entry.duration * 1000) / 1000
    const error = code === STATUS.OK ? '' : `,"error":${JSON.stringify(message)}`
    const peer = address === undefined ? '' : `,"peer.address":${JSON.stringify(address)}`
    const cluster = clusterId === undefined ? '' : `,"cluster":${this.#nameOf(clusterId)}`
    const affiliate = affiliateId === undefined ? '' : `,"affiliate_id":${JSON.stringify(affiliateId)}`
    const version = clientVersion === undefined ? '' : `,"client_version":${JSON.stringify(clientVersion)}`
    const who = `${peer}${cluster}${affiliate}${version}`
    return `{"level":"${this.#options.level}","time":"${time}","method":"${entry.method}","duration":${duration},"code":"${statusName(code)}"${error}${who},"msg":"call"}\n`
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
    if (this.#options.showsIds || clusterId === TOO_LONG) return JSON.stringify(clusterId)
    let name = this.#tags.get(clusterId)
    if (name === undefined) {
      if (this.#tags.size >= TAGS_MAX) this.#tags.clear()
      name = `"${clusterTag(clusterId)}"`
      this.#tags.set(clusterId, name)
    }
    return name
  }
}

/** Waiting lines hold no long texts. */
const bounded = (text: string | undefined): string | undefined =>
  text !== undefined && text.length > TEXT_MAX_CHARACTERS ? TOO_LONG : text
