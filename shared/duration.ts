import type { Milliseconds } from './clock.ts'

/** Milliseconds in each unit that Go's durations know; the two spellings of µ are different characters. */
const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y
/** Go keeps 64 bits of nanoseconds. */
const MAX_MILLISECONDS = 2 ** 63 / 1e6

/** Reads a duration as Go writes it: `10m`, `1h30m`, `250ms`, `-1.5s`, and `0` without a unit; undefined otherwise. */
export function parseDuration(text: string): Milliseconds | undefined {
  const sign = text.startsWith('-') ? -1 : 1
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text
  if (unsigned === '0') return 0
  let total = 0
  let at = 0
  while (at < unsigned.length) {
    PART.lastIndex = at
    const part = PART.exec(unsigned)
    if (part === null) return undefined
    total += Number(part[1]) * (UNITS.get(part[2] ?? '') ?? Number.NaN)
    at = PART.lastIndex
  }
  if (at === 0 || total >= MAX_MILLISECONDS) return undefined
  // Whole milliseconds stay exact; of the rest only nanoseconds count.
  const whole = Math.trunc(total)
  const rounded = whole + Math.round((total - whole) * 1e6) / 1e6
  return rounded === 0 ? 0 : sign * rounded
}

/** The shortest text that reads back as the same: `1h30m`, `250ms`, `0s`. */
export function formatDuration(duration: Milliseconds): string {
  let rest = Math.abs(duration)
  let text = ''
  for (const unit of ['h', 'm', 's'] as const) {
    const size = UNITS.get(unit) ?? 1
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  if (rest > 0) text += `${Number(rest.toFixed(6))}ms`
  return text === '' ? '0s' : `${duration < 0 ? '-' : ''}${text}`
}
