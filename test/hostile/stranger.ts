import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Box } from '../lab/box.ts'
import { COMPILED_ONCE } from '../lab/discovery.ts'
import { ClusterClient } from '../support/cluster-client.ts'

/**
 * Somebody who knows the id of a cluster and nothing else. This file is also the program: it reads an errand as JSON from
 * its standard input and says what came of it.
 */
export type Step =
  | { readonly do: 'delete'; readonly id: string }
  /** So many random endpoints, without data, as those who see others add what they see. */
  | { readonly do: 'add endpoints'; readonly id: string; readonly count: number }
  /** So many records of random bytes under ids of its own. */
  | { readonly do: 'write'; readonly records: number }
  /** At once, so that nobody comes in between. */
  | { readonly do: 'together'; readonly steps: readonly Step[] }
  | { readonly do: 'wait'; readonly milliseconds: number }
  /** Until the service lists the id, at most for so long. */
  | { readonly do: 'await'; readonly id: string; readonly milliseconds: number }

export interface Errand {
  readonly endpoint: string
  readonly clusterId: string
  readonly steps: readonly Step[]
}

export interface Outcome {
  /** For each step how long it took. */
  readonly milliseconds: readonly number[]
  /** How many calls were refused, by the words of the service. */
  readonly refused: Readonly<Record<string, number>>
}

/** Sends a stranger from this box to the service. */
export async function stranger(from: Box, errand: Errand): Promise<Outcome> {
  const { stdout } = await from.exec(process.execPath, [import.meta.filename], {
    input: JSON.stringify(errand),
    env: COMPILED_ONCE,
    timeoutMilliseconds: ERRAND_LIMIT_MS,
  })
  return JSON.parse(stdout) as Outcome
}

const ERRAND_LIMIT_MS = 60_000
const LOOK_EVERY_MS = 50
const CALLS_AT_ONCE = 16
const TTL = { seconds: 1800n, nanos: 0 }
const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length))

async function take(
  client: ClusterClient,
  clusterId: string,
  step: Step,
  tell: (error: unknown) => void,
): Promise<void> {
  switch (step.do) {
    case 'delete':
      await client.delete(clusterId, step.id).catch(tell)
      return
    case 'add endpoints': {
      const affiliateEndpoints = Array.from({ length: step.count }, () => random(32))
      await client.update({ clusterId, affiliateId: step.id, affiliateEndpoints, ttl: TTL }).catch(tell)
      return
    }
    case 'write': {
      const write = () =>
        client.update({
          clusterId,
          affiliateId: Buffer.from(random(16)).toString('hex'),
          affiliateData: random(200),
          ttl: TTL,
        })
      for (let done = 0; done < step.records; done += CALLS_AT_ONCE) {
        const now = Math.min(CALLS_AT_ONCE, step.records - done)
        await Promise.all(Array.from({ length: now }, () => write().catch(tell)))
      }
      return
    }
    case 'together':
      await Promise.all(step.steps.map((one) => take(client, clusterId, one, tell)))
      return
    case 'wait':
      return sleep(step.milliseconds)
    case 'await': {
      const isThere = async (): Promise<boolean> =>
        (await client.list(clusterId)).some(({ id }) => id === step.id)
      for (const until = performance.now() + step.milliseconds; performance.now() < until; ) {
        if (await isThere()) return
        await sleep(LOOK_EVERY_MS)
      }
    }
  }
}

async function run({ endpoint, clusterId, steps }: Errand): Promise<Outcome> {
  using client = new ClusterClient(endpoint)
  const refused: Record<string, number> = {}
  const tell = (error: unknown): void => {
    const words = error instanceof Error ? error.message : String(error)
    refused[words] = (refused[words] ?? 0) + 1
  }
  const milliseconds: number[] = []
  for (const step of steps) {
    const startedAt = performance.now()
    await take(client, clusterId, step, tell)
    milliseconds.push(performance.now() - startedAt)
  }
  return { milliseconds, refused }
}

if (import.meta.main)
  process.stdout.write(JSON.stringify(await run(JSON.parse(await text(process.stdin)) as Errand)))
