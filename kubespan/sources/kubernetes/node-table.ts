import type { Affiliate } from '../../../shared/affiliate/affiliate.ts'
import type { DoubledNode } from '../../model/kubernetes.ts'
import { type NodeRecord, type RawNode, toRecord } from './node-record.ts'

/** How many departures are remembered: they matter for minutes, and nodes come and go for years. */
const DEPARTURES_MAX = 1024

/**
 * All Nodes of the cluster as the watch has told them. An event costs what one Node costs; what the mesh is shown is
 * made when it is asked for, and is the same value until something has changed that concerns us.
 */
export class NodeTable {
  #nodes = new Map<string, NodeRecord>()
  #departures = new Set<string>()
  #affiliates: ReadonlyMap<string, Affiliate> | undefined
  #exceptFor: string | undefined

  get nodes(): ReadonlyMap<string, NodeRecord> {
    return this.#nodes
  }

  /** Node ids that are gone. The same set until it changes. */
  get departures(): ReadonlySet<string> {
    return this.#departures
  }

  /** Takes a complete list in place of everything. True when something changed that concerns us. */
  replace(raws: readonly RawNode[]): boolean {
    const before = this.#nodes
    this.#nodes = new Map()
    let changed = false
    for (const raw of raws) {
      const previous = before.get(raw.metadata?.name ?? '')
      const record = toRecord(raw, previous)
      if (record === undefined) continue
      this.#nodes.set(record.view.name, record)
      changed = record.fingerprint !== previous?.fingerprint || changed
    }
    changed ||= before.size !== this.#nodes.size
    if (changed) this.#note([...before.values()])
    return changed
  }

  /**
   * True when something changed that concerns us; most events are heartbeats. An older state than the one that is known
   * is passed over: the answer to a patch may overtake the watch.
   */
  set(raw: RawNode): boolean {
    const previous = this.#nodes.get(raw.metadata?.name ?? '')
    const record = toRecord(raw, previous)
    if (record === undefined || isOlder(record.resourceVersion, previous?.resourceVersion)) return false
    this.#nodes.set(record.view.name, record)
    if (record.fingerprint === previous?.fingerprint) return false
    this.#note(previous === undefined ? [] : [previous])
    return true
  }

  delete(name: string): boolean {
    const previous = this.#nodes.get(name)
    if (previous === undefined) return false
    this.#nodes.delete(name)
    this.#note([previous])
    return true
  }

  /** Node id → what its Node says, without the Node that is ours. Of two Nodes with one id the younger one counts. */
  affiliates(ownName: string | undefined): ReadonlyMap<string, Affiliate> {
    if (this.#affiliates !== undefined && this.#exceptFor === ownName) return this.#affiliates
    const chosen = new Map<string, NodeRecord>()
    for (const record of this.#nodes.values()) {
      const { affiliate, view, createdAt } = record
      if (affiliate === undefined || view.name === ownName) continue
      const other = chosen.get(affiliate.nodeId)
      if (other === undefined || createdAt >= other.createdAt) chosen.set(affiliate.nodeId, record)
    }
    this.#exceptFor = ownName
    this.#affiliates = new Map(
      [...chosen].flatMap(([id, { affiliate }]) => (affiliate === undefined ? [] : [[id, affiliate]])),
    )
    return this.#affiliates
  }

  /** Node ids that several Nodes carry. The Node that is ours carries ours, even before it says so. */
  doubles(own: { readonly name: string; readonly nodeId: string } | undefined): readonly DoubledNode[] {
    const names = new Map<string, string[]>()
    for (const { affiliate, view } of this.#nodes.values()) {
      const nodeId = affiliate?.nodeId ?? (view.name === own?.name ? own.nodeId : undefined)
      if (nodeId === undefined) continue
      const known = names.get(nodeId)
      if (known === undefined) names.set(nodeId, [view.name])
      else known.push(view.name)
    }
    return [...names]
      .filter(([, { length }]) => length > 1)
      .map(([nodeId, those]) => ({ nodeId, names: those.sort() }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
  }

  /** Brings the departures in line after these records may have been replaced or removed. */
  #note(replaced: readonly NodeRecord[]): void {
    this.#affiliates = undefined
    const present = new Set([...this.#nodes.values()].map(({ affiliate }) => affiliate?.nodeId))
    const gone = replaced.map(({ affiliate }) => affiliate?.nodeId).filter((id) => id !== undefined)
    const departures = [...this.#departures, ...gone].filter((id) => !present.has(id))
    if (departures.length > 0 || this.#departures.size > 0)
      this.#departures = new Set(departures.slice(-DEPARTURES_MAX))
  }
}

/** Versions of one kind are numbers that grow; anything else cannot be compared. */
function isOlder(version: string, than: string | undefined): boolean {
  if (than === undefined || !/^\d+$/.test(version) || !/^\d+$/.test(than)) return false
  return BigInt(version) < BigInt(than)
}
