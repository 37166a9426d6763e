import { connect } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import type { Box } from '../lab/box.ts'
import { COMPILED_ONCE, waitForListener } from '../lab/discovery.ts'
import type { LabProcess } from '../lab/process.ts'
import type { Behaviour, Order, Sight } from './orders.ts'

const PROGRAM = join(import.meta.dirname, 'service.ts')

export const HOSTILE_PORT = 3100

/** A discovery service in a box of the lab that is told by the test what to answer. */
export class HostileService implements AsyncDisposable {
  readonly #socketPath: string
  readonly #process: LabProcess

  private constructor(socketPath: string, process: LabProcess) {
    this.#socketPath = socketPath
    this.#process = process
  }

  /** Resolves when it listens; it is honest then. */
  static async start(box: Box, port = HOSTILE_PORT): Promise<HostileService> {
    const socket = `hostile-${port}.sock`
    const process_ = box.spawn(process.execPath, [PROGRAM, `${port}`, `/run/${socket}`], {
      name: `hostile-${port}`,
      env: COMPILED_ONCE,
    })
    await waitForListener(box, process_, port)
    return new HostileService(join(box.runDirectory, socket), process_)
  }

  /** Carries the order out. @throws when it makes no sense to the service. */
  async order(order: Order): Promise<Sight> {
    const socket = connect({ path: this.#socketPath, allowHalfOpen: true })
    socket.end(JSON.stringify(order))
    const said = (await json(socket)) as Sight & { readonly error?: string }
    if (said.error !== undefined) throw new Error(`the hostile service said ${said.error}`)
    return said
  }

  behave(as: Behaviour): Promise<Sight> {
    return this.order({ do: 'behave', as })
  }

  look(): Promise<Sight> {
    return this.order({ do: 'look' })
  }

  get output(): string {
    return this.#process.output
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]()
  }
}
