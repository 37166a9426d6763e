import { readFile, rm } from 'node:fs/promises'
import { readOwnFile } from '../host/own-files.ts'
import type { Placement } from '../model/desired.ts'
import { replaceFile } from './state-file.ts'

/** After another boot nothing is left of what was made, and what another daemon made is not ours. */
export interface PlacementOwner {
  /** Empty when it cannot be told: then nothing is believed. */
  readonly bootId: string
  readonly runDirectory: string
}

const FORMAT = 'openspan placements 1'

/** The id of this boot, as the kernel has it; empty when it cannot be read. */
export async function systemBootId(file = '/proc/sys/kernel/random/boot_id'): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim()
}

/** Under which names this owner made things on this host; none when it made none, or when that is not known. */
export async function loadPlacements(path: string, owner: PlacementOwner): Promise<readonly Placement[]> {
  try {
    const stored = JSON.parse(`${await readOwnFile(path)}`)
    const { bootId, runDirectory } = owner
    const isOurs =
      stored.format === FORMAT && stored.bootId === bootId && stored.runDirectory === runDirectory
    return isOurs && bootId !== '' && Array.isArray(stored.placements) ? stored.placements : []
  } catch {
    return []
  }
}

/** @throws as replaceFile does */
export async function savePlacements(
  path: string,
  owner: PlacementOwner,
  placements: readonly Placement[],
): Promise<void> {
  if (placements.length === 0) await rm(path, { force: true })
  else await replaceFile(path, JSON.stringify({ format: FORMAT, ...owner, placements }))
}
