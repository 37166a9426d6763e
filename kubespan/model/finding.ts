/** `error`: the mesh does not work, or is not safe. `warning`: it may not. `info`: worth knowing. */
export type Severity = 'ok' | 'info' | 'warning' | 'error'

export interface Finding {
  /** What was looked at, in a word or two: `rp_filter`. */
  readonly check: string
  readonly severity: Severity
  readonly says: string
  /** The command, or the line of configuration, that mends it. */
  readonly mend?: string
}

export const ok = (check: string, says: string): Finding => ({ check, severity: 'ok', says })
export const info = (check: string, says: string, mend?: string): Finding =>
  finding('info', check, says, mend)
export const warning = (check: string, says: string, mend?: string): Finding =>
  finding('warning', check, says, mend)
export const error = (check: string, says: string, mend?: string): Finding =>
  finding('error', check, says, mend)

const finding = (severity: Severity, check: string, says: string, mend: string | undefined): Finding => ({
  check,
  severity,
  says,
  ...(mend === undefined ? {} : { mend }),
})

/** What was observed, or why it could not be. */
export type Seen<T> = { readonly value: T } | { readonly problem: string }
