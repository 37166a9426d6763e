import { type HttpHandler, HttpListener } from '../../shared/http.ts'
import { parseListenAddress } from '../../shared/net/listen-address.ts'

/** Few ask, and from near by; any process of this machine can. */
const CONNECTIONS_MAX = 64
const HEAD_TIMEOUT_MS = 5_000

export interface MetricsServerOptions {
  readonly handler: HttpHandler
  readonly log: {
    info(fields: object, message: string): void
    warn(fields: object, message: string): void
  }
}

/**
 * Serves the metrics where the configuration says. That its address cannot be had is a warning and no more: a mesh is
 * not given up for its statistics.
 */
export class MetricsServer implements AsyncDisposable {
  readonly #options: MetricsServerOptions
  #address: string | undefined
  #listener: HttpListener | undefined
  #turn: Promise<void> = Promise.resolve()

  constructor(options: MetricsServerOptions) {
    this.#options = options
  }

  /** The port that is listened on; undefined when none is. */
  get port(): number | undefined {
    return this.#listener?.port
  }

  /** Moves to another address, or away; one that failed is tried again. Calls are done one after the other. */
  follow(address: string | undefined): Promise<void> {
    this.#turn = this.#turn.then(() => this.#follow(address))
    return this.#turn
  }

  async #follow(address: string | undefined): Promise<void> {
    if (address === this.#address && (address === undefined || this.#listener !== undefined)) return
    await this.#close()
    this.#address = address
    const at = address === undefined ? undefined : parseListenAddress(address)
    if (at === undefined) return
    const { handler, log } = this.#options
    try {
      this.#listener = await HttpListener.listen(
        at,
        handler,
        (error) => log.warn({ err: String(error) }, 'a question for metrics failed'),
        HEAD_TIMEOUT_MS,
        CONNECTIONS_MAX,
      )
      log.info({ address }, 'metrics are served')
    } catch (error) {
      log.warn({ address, err: String(error) }, 'metrics are not served: the address cannot be listened on')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#turn
    await this.#close()
  }

  async #close(): Promise<void> {
    const listener = this.#listener
    this.#listener = undefined
    await listener?.[Symbol.asyncDispose]()
  }
}
