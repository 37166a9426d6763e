import { Clusters } from '../../../../discovery/state/clusters.ts'
import { MemoryStore } from '../../../../discovery/store/memory-store.ts'
import { ManualClock } from '../../../support/manual-clock.ts'
import { MAX_PER_ORIGIN, testStore } from '../../../support/store/store-suite.ts'

testStore({
  name: 'clusters in memory',
  histories: 1000,
  open: async (changes) => {
    const clusters = new Clusters(changes, MAX_PER_ORIGIN)
    return {
      store: new MemoryStore(clusters, new ManualClock()),
      base: 0,
      sweep: async (now) => void clusters.sweep(now),
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
