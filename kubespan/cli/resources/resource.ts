import type { FullView } from '../../model/daemon-view.ts'

/** One row of `kubespan get`: its id, the cells of its columns, and all of it for -o json and -o yaml. */
export interface ResourceRow {
  readonly id: string
  readonly cells: readonly string[]
  /** Field names as Talos users know them (SPEC 8). */
  readonly spec: unknown
}

/** What the daemon says; its parts are there when a resource asked for them. */
export type ResourceSource = FullView

export interface ResourceType {
  /** Plural, as the canonical name begins: `KubeSpanPeerStatuses`. */
  readonly plural: string
  /** Singular, as the TYPE column shows it: `KubeSpanPeerStatus`. */
  readonly type: string
  /** What the canonical name ends with: `kubespan.talos.dev`. */
  readonly group: string
  readonly namespace: string
  readonly columns: readonly string[]
  /** Names besides those that follow from the type. */
  readonly extraAliases?: readonly string[]
  /** The part of the view that it is made of, where it is not of those that are always there. */
  readonly part?: 'host' | 'raw'
  readonly rows: (source: ResourceSource) => readonly ResourceRow[]
}

/** `["a","b"]`, as lists stand in a cell. */
export const listCell = (values: readonly string[]): string => JSON.stringify(values)

/** As lists of the host have it; empty for what is not there. */
export const timestamp = (at: number | undefined): string =>
  at === undefined ? '' : new Date(at).toISOString()

/** `KubeSpanPeerStatuses.kubespan.talos.dev`. */
export const canonicalName = ({ plural, group }: ResourceType): string => `${plural}.${group}`

/**
 * The short names that Talos derives from a type's name: the singular, and where the name has several capitals, those
 * and their plural. Shown by `kubespan get rd`.
 */
export function aliasesOf({ type, plural, extraAliases = [] }: ResourceType): string[] {
  const capitals = plural.replace(/[^A-Z]/g, '').toLowerCase()
  const short = capitals.length < 2 ? [] : capitals.endsWith('s') ? [capitals] : [capitals, `${capitals}s`]
  return [...new Set([...extraAliases, type.toLowerCase(), ...short])]
}

/** Whether somebody who says `name` means this type: an alias, or as much of the canonical name as they like. */
export function isCalled(resource: ResourceType, name: string): boolean {
  const wanted = name.toLowerCase()
  return (
    aliasesOf(resource).includes(wanted) ||
    wanted === resource.plural.toLowerCase() ||
    (wanted.startsWith(`${resource.plural.toLowerCase()}.`) &&
      `${canonicalName(resource).toLowerCase()}.`.startsWith(`${wanted}.`))
  )
}
