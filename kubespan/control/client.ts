import { request } from 'node:http'
import type { Address } from '../../shared/net/address.ts'
import type { CandidateView, FullView } from '../model/daemon-view.ts'
import type { FateReport } from '../model/fate.ts'
import type { SelfReport } from '../model/own-address.ts'
import type { ResetAnswer } from './server.ts'

/** Which parts of the view are wanted as well: what is on the host, and what each source says. */
export interface ViewRequest {
  readonly host?: boolean
  readonly raw?: boolean
}

const query = ({ host = false, raw = false }: ViewRequest): string =>
  `?${new URLSearchParams({ ...(host && { host: '1' }), ...(raw && { raw: '1' }) })}`

/** No daemon answers on the socket. */
export class NotRunningError extends Error {
  override readonly name = 'NotRunningError'
}

/** Speaks to the daemon on this host over its unix socket. */
export class ControlClient {
  readonly #socketPath: string

  constructor(socketPath: string) {
    this.#socketPath = socketPath
  }

  async view(request: ViewRequest = {}): Promise<FullView> {
    return JSON.parse(await this.#text('GET', `/v1/view${query(request)}`)) as FullView
  }

  async self(): Promise<SelfReport> {
    return JSON.parse(await this.#text('GET', '/v1/self')) as SelfReport
  }

  async candidates(publicKey: string): Promise<readonly CandidateView[]> {
    const search = new URLSearchParams({ key: publicKey })
    return JSON.parse(await this.#text('GET', `/v1/candidates?${search}`)) as readonly CandidateView[]
  }

  async fates(addresses: readonly Address[]): Promise<FateReport> {
    const search = new URLSearchParams(addresses.map((address): [string, string] => ['address', address]))
    return JSON.parse(await this.#text('GET', `/v1/fates?${search}`)) as FateReport
  }

  async *watch(signal: AbortSignal, request: ViewRequest = {}): AsyncGenerator<FullView> {
    const response = await this.#open('GET', `/v1/watch${query(request)}`, signal)
    let rest = ''
    try {
      for await (const chunk of response.setEncoding('utf8')) {
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) yield JSON.parse(line) as FullView
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  async leave(): Promise<void> {
    await this.#text('POST', '/v1/leave')
  }

  async down(): Promise<void> {
    await this.#text('POST', '/v1/down')
  }

  /** Resolves to what was done and what follows, a line each. */
  async forget(id: string): Promise<readonly string[]> {
    const text = await this.#text('POST', `/v1/forget?id=${encodeURIComponent(id)}`)
    return (JSON.parse(text) as { says?: readonly string[] }).says ?? []
  }

  async resetIdentity(): Promise<ResetAnswer> {
    return JSON.parse(await this.#text('POST', '/v1/reset-identity')) as ResetAnswer
  }

  async reload(): Promise<void> {
    await this.#text('POST', '/v1/reload')
  }

  async #text(method: string, path: string): Promise<string> {
    const response = await this.#open(method, path)
    let text = ''
    for await (const chunk of response.setEncoding('utf8')) text += chunk
    if (response.statusCode !== 200) {
      const { error } = JSON.parse(text) as { error?: string }
      throw new Error(error ?? `the daemon answered ${response.statusCode}`)
    }
    return text
  }

  #open(method: string, path: string, signal?: AbortSignal): Promise<import('node:http').IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.#socketPath, method, path, ...(signal && { signal }) }, resolve)
      call.once('error', (error: NodeJS.ErrnoException) => {
        const isAbsent = error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
        const isForbidden = error.code === 'EACCES'
        reject(
          isAbsent
            ? new NotRunningError(
                `no kubespan daemon answers on ${this.#socketPath}: start one with "kubespan run"`,
              )
            : isForbidden
              ? new Error(
                  `${this.#socketPath}: permission denied; try as root, or as a member of the group of the daemon`,
                )
              : error,
        )
      })
      call.end()
    })
  }
}
