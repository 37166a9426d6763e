/** Series of one metric that clients can cause by the version they say they are (SPEC 9, S11). */
export const CLIENT_VERSION_MAX_SERIES = 200

export const UNKNOWN_VERSION = 'unknown'

/** Two digits at most in the major part, three in the minor one: what the service always told apart (SPEC 1.10). */
const CORE = /^v\d{0,2}\.\d{0,3}(?=\.)/

/** `v1.8.3-7-gf7d9f21` → `v1.8-pre`; what is no version is `unknown` (SPEC 1.10). */
export function clientVersionLabel(version: string): string {
  const dash = version.indexOf('-')
  const core = dash === -1 ? version : version.slice(0, dash)
  const label = CORE.exec(core)?.[0]
  if (label === undefined) return UNKNOWN_VERSION
  return dash !== -1 && dash < version.length - 1 ? `${label}-pre` : label
}

/** Lets the first labels through and calls the rest unknown, so that no client can grow the metrics without bound. */
export class ClientVersionSeries {
  readonly #known = new Set([UNKNOWN_VERSION])
  readonly #maxSeries: number

  constructor(maxSeries: number = CLIENT_VERSION_MAX_SERIES) {
    this.#maxSeries = maxSeries
  }

  labelOf(version: string): string {
    const label = clientVersionLabel(version)
    if (this.#known.has(label)) return label
    if (this.#known.size >= this.#maxSeries) return UNKNOWN_VERSION
    this.#known.add(label)
    return label
  }
}
