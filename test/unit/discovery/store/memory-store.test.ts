import { type ChangeSink, Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { ORIGIN_LIMITS, testGuards } from '../../../support/store/guard-suite.ts'
import { type StoreWorld, testStore } from '../../../support/store/store-suite.ts'

async function open(changes: ChangeSink): Promise<StoreWorld> {
  const clusters = new Clusters(changes, ORIGIN_LIMITS)
  return {
    store: new MemoryStore(clusters, new ManualClock()),
    base: 0,
    sweep: async (now) => void clusters.sweep(now),
    [Symbol.asyncDispose]: async () => {},
  }
}

testStore({ name: 'clusters in memory', histories: 1000, open })
testGuards({ name: 'clusters in memory', open })
