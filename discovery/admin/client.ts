import type { Milliseconds } from '../../shared/clock.ts'
import type { ListenAddress } from '../../shared/net/listen-address.ts'
import { request } from '../../shared/node-http.ts'

export interface AdminClientOptions {
  readonly at: ListenAddress
  readonly token: string | undefined
}

const ANSWER_LIMIT_MS: Milliseconds = 10_000

/** Asks a running service. @throws with what the service said when it refuses, or when it cannot be reached. */
export async function askAdmin(
  { at, token }: AdminClientOptions,
  method: 'GET' | 'DELETE',
  path: readonly string[],
): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>()
  const where = 'path' in at ? { socketPath: at.path } : { host: at.host ?? 'localhost', port: at.port }
  const asking = request(
    {
      ...where,
      method,
      path: `/${path.map(encodeURIComponent).join('/')}`,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      timeout: ANSWER_LIMIT_MS,
    },
    (response) => {
      let text = ''
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => {
          text += chunk
        })
        .on('end', () => resolve({ status: response.statusCode ?? 0, text }))
        .on('error', reject)
    },
  )
  asking.on('error', reject)
  asking.on('timeout', () => asking.destroy(new Error('the service does not answer')))
  asking.end()
  const { status, text } = await promise
  if (status !== 200) throw new Error(errorOf(text) ?? `the service answered with status ${status}`)
  return JSON.parse(text)
}

function errorOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error?: string }).error
  } catch {
    return undefined
  }
}
