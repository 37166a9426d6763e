import { dim, green, red } from './colour.ts'

/** Where the progress of a run is shown: a terminal gets one line that changes, anything else gets lines. */
export interface Screen {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const LINE_EVERY_MILLISECONDS = 500
const FRAMES = ['|', '/', '-', '\\']
const CLEAR_LINE = '\r\x1b[2K'

/** Steps that take their time, one after the other: what is going on, then what came of it. */
export class Progress {
  readonly #screen: Screen
  readonly #now: () => number
  #startedAt = 0
  #shownAt = Number.NEGATIVE_INFINITY
  #shown = ''
  #frame = 0

  constructor(screen: Screen, now: () => number) {
    this.#screen = screen
    this.#now = now
  }

  start(text: string): void {
    this.#startedAt = this.#now()
    this.#shownAt = Number.NEGATIVE_INFINITY
    this.#shown = ''
    this.update(text)
  }

  /** May be called as often as there is news. */
  update(text: string): void {
    if (this.#screen.isTTY) {
      this.#frame = (this.#frame + 1) % FRAMES.length
      this.#screen.write(`${CLEAR_LINE}${FRAMES[this.#frame]} ${text} ${dim(this.#elapsed())}`)
    } else if (text !== this.#shown && this.#now() - this.#shownAt >= LINE_EVERY_MILLISECONDS) {
      this.#screen.write(`... ${text}${this.#shown === '' ? '' : ` (${this.#elapsed()})`}\n`)
      this.#shownAt = this.#now()
      this.#shown = text
    }
  }

  done(text: string): void {
    this.#end(green('ok'), text)
  }

  fail(text: string): void {
    this.#end(red('FAILED'), text)
  }

  #end(mark: string, text: string): void {
    const line = `${mark} ${text} ${dim(this.#elapsed())}\n`
    this.#screen.write(this.#screen.isTTY ? `${CLEAR_LINE}${line}` : line)
  }

  #elapsed(): string {
    return `${((this.#now() - this.#startedAt) / 1000).toFixed(1)} s`
  }
}
