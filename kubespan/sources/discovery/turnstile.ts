import { InterceptingCall, type Interceptor } from '@grpc/grpc-js'

/**
 * Lets one message of a stream through at a time. The library reads sixteen ahead of whoever takes them, whatever their size; with
 * this, what is not asked for stays with the sender, by HTTP/2's flow control.
 */
export class Turnstile {
  #isOpen = false
  #waiting: (() => void) | undefined

  /** One more message may be read. */
  open(): void {
    this.#isOpen = true
    this.#pass()
  }

  readonly interceptor: Interceptor = (options, next) =>
    new TurnstileCall(next(options), (read) => {
      this.#waiting = read
      this.#pass()
    })

  #pass(): void {
    const read = this.#waiting
    if (!this.#isOpen || read === undefined) return
    this.#isOpen = false
    this.#waiting = undefined
    read()
  }
}

class TurnstileCall extends InterceptingCall {
  readonly #ask: (read: () => void) => void

  constructor(call: ConstructorParameters<typeof InterceptingCall>[0], ask: (read: () => void) => void) {
    super(call)
    this.#ask = ask
  }

  override startRead(): void {
    this.#ask(() => super.startRead())
  }
}
