import type { FieldPath } from './schema-issue.ts'

/** A value without what is empty in it, and a way back to where things stood. */
export interface Filled {
  readonly value: unknown
  /** The path in the value as it was; indexes of lists may have been higher. */
  readonly pathBefore: (path: FieldPath) => FieldPath
}

/** Fields and items with nothing behind them are as absent, which is what Go makes of them. */
export function withoutEmpty(value: unknown): Filled {
  const kept = new Map<unknown, readonly number[]>()
  const filled = strip(value, kept)
  return {
    value: filled,
    pathBefore: (path) => {
      let at: unknown = filled
      return path.map((step) => {
        const before = typeof step === 'number' ? (kept.get(at)?.[step] ?? step) : step
        at = isObject(at) ? (at as Record<string | number, unknown>)[step] : undefined
        return before
      })
    },
  }
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function strip(value: unknown, kept: Map<unknown, readonly number[]>): unknown {
  if (Array.isArray(value)) {
    const indexes = [...value.keys()].filter((index) => value[index] !== null)
    const list = indexes.map((index) => strip(value[index], kept))
    kept.set(list, indexes)
    return list
  }
  if (!isObject(value) || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, inner]) => (inner === null ? [] : [[name, strip(inner, kept)]])),
  )
}
