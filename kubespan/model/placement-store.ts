import type { Placement } from './desired.ts'
import type { Settings } from './settings.ts'

/** Where it is kept under which names things were made on this host. */
export interface PlacementStore {
  load(settings: Settings): Promise<readonly Placement[]>
  save(settings: Settings, placements: readonly Placement[]): Promise<void>
}
