import { randomBytes } from 'node:crypto'
import { after, before } from 'node:test'
import { ClusterClient } from '../support/cluster-client.ts'
import { type StartedService, startService } from '../support/discovery-service.ts'
import { RawClient } from '../support/raw-call.ts'

/**
 * The server that the suites look at: the one at `TARGET=host:port`, else one of ours in this process. One elsewhere
 * must believe X-Real-IP from here, have a client address rate of 15/s with a burst of 60, and should collect
 * garbage every 100 ms.
 */
export class Target {
  endpoint: string = process.env.TARGET ?? ''
  #started: StartedService | undefined

  /** To be called while tests are being declared. */
  constructor() {
    before(async () => {
      if (this.endpoint !== '') return
      this.#started = await startService(['-gc-interval=100ms'])
      this.endpoint = this.#started.endpoint
    })
    after(() => this.#started?.[Symbol.asyncDispose]())
  }

  /** A client with an address of its own, so that the rate limit of one test is none of another's. */
  client(address: string = newAddress()): ClusterClient {
    return new ClusterClient(this.endpoint, { metadata: { 'x-real-ip': address } })
  }

  raw(): Promise<RawClient> {
    return RawClient.connect(this.endpoint)
  }
}

/** From the networks for documentation; enough for every test and every run. */
export const newAddress = (): string =>
  `2001:db8:${randomBytes(2).toString('hex')}:${randomBytes(2).toString('hex')}::1`

export const newCluster = (): string => randomBytes(32).toString('base64')
