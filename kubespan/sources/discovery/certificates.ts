import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'

/**
 * The certificate authorities to trust: Node's, the system's, and those of `caFile`; undefined for Node's own choice.
 * Read anew for each connection, so a replaced file needs no restart. Throws with the name of a file that cannot be read.
 */
export function rootCertificates(caFile: string | undefined): Buffer {
  const extra = caFile === undefined ? [] : [readFileSync(caFile, 'utf8')]
  return Buffer.from(
    [...new Set([...getCACertificates('default'), ...systemCertificates()]), ...extra].join('\n'),
  )
}

/** The system's store changes with a package upgrade at most, and reading it costs milliseconds. */
let cached: readonly string[] | undefined
function systemCertificates(): readonly string[] {
  cached ??= getCACertificates('system')
  return cached
}
