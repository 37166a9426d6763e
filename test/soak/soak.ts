import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Random } from '../fuzz/random.ts'
import { type Memory, ProbedService } from '../fuzz/service.ts'
import { Member } from './member.ts'

export interface SoakPlan {
  readonly clusters: number
  readonly watchersPerCluster: number
  readonly seconds: number
  /** Joins, leaves, expiries and restarts, all together. */
  readonly changesPerSecond: number
  readonly seed: number
  readonly report: (line: string) => void
}

export interface SoakResult {
  readonly changes: number
  /** Watchers whose view is not what List says. */
  readonly wrongViews: readonly string[]
  readonly faults: readonly string[]
  readonly complaints: readonly string[]
  /** After each third of the time, with all watchers there and nothing under way. */
  readonly memories: readonly Memory[]
}

const CONNECTING_AT_ONCE = 50
const TTL_MAX_SECONDS = 5
const LASTING_SECONDS = 600
const GC_INTERVAL_SECONDS = 1
/** A flush is never later than half a second; the rest is for a loaded machine. */
const CONVERGE_LIMIT_MS = 15_000
const PHASES = 3

/** Changes of every kind for the whole time; then the truth is compared with what each watcher believes. */
export async function soak(plan: SoakPlan): Promise<SoakResult> {
  const { clusters, watchersPerCluster, seconds, seed, report } = plan
  const random = new Random(seed)
  await using service = await ProbedService.start(
    `-gc-interval=${GC_INTERVAL_SECONDS}s`,
    '-log-calls=false',
    '-rate-limit=1000',
  )
  const members = Array.from(
    { length: clusters * watchersPerCluster },
    (_, index) => new Member(service.endpoint, `soak cluster ${index % clusters}`, index),
  )
  for (let first = 0; first < members.length; first += CONNECTING_AT_ONCE)
    await Promise.all(members.slice(first, first + CONNECTING_AT_ONCE).map((member) => member.restart()))
  report(`${members.length} watchers of ${clusters} clusters`)

  const memories: Memory[] = []
  let changes = 0
  for (let phase = 0; phase < PHASES; phase += 1) {
    changes += await change(members, random, plan.changesPerSecond, (seconds * 1000) / PHASES)
    await settle(members, random)
    const memory = await service.memory()
    memories.push(memory)
    report(
      `${changes} changes, holds ${(memory.held / 1e6).toFixed(1)} MB, resident ${(memory.rss / 1e6).toFixed(0)} MB`,
    )
  }
  const wrongViews = await waitForTruth(members)
  const faults = members.flatMap((member) => member.faults)
  for (const member of members) member[Symbol.dispose]()
  return { changes, wrongViews, faults, complaints: [...service.complaints], memories }
}

/** Some members stay, the others are let go by expiry: the memory can be compared then. */
async function settle(members: readonly Member[], random: Random): Promise<void> {
  await Promise.all(
    members.map((member, index) => (index % 2 === 0 ? member.join(random, LASTING_SECONDS) : member.leave())),
  )
  await sleep((TTL_MAX_SECONDS > 3 ? 1 : 0) * 1000 + GC_INTERVAL_SECONDS * 1000)
}

async function change(
  members: readonly Member[],
  random: Random,
  perSecond: number,
  milliseconds: number,
): Promise<number> {
  const startedAt = performance.now()
  const busy = new Set<Promise<unknown>>()
  let done = 0
  for (; performance.now() - startedAt < milliseconds; done += 1) {
    const late = (done / perSecond) * 1000 - (performance.now() - startedAt)
    if (late > 0) await sleep(late)
    const member = random.pick(members)
    const what = random.below(10)
    const work =
      what < 6
        ? member.join(random, 1 + random.below(TTL_MAX_SECONDS)) // expires when it is not repeated by chance
        : what < 8
          ? member.leave()
          : member.restart()
    busy.add(work)
    void work.finally(() => busy.delete(work))
  }
  await Promise.all(busy)
  return done
}

/** Empty when every view is what List says. */
async function waitForTruth(members: readonly Member[]): Promise<string[]> {
  const until = performance.now() + CONVERGE_LIMIT_MS
  for (;;) {
    const wrong: string[] = []
    for (const [index, member] of members.entries()) {
      const truth = await member.list()
      if (!isDeepStrictEqual(member.view, truth))
        wrong.push(`watcher ${index} sees ${member.view.size} affiliates, there are ${truth.size}`)
    }
    if (wrong.length === 0 || performance.now() > until) return wrong
    await sleep(250)
  }
}
