const REDACTED = '[redacted]'
/** A name that promises a secret, and what is given under it. Public keys have another name. */
const NAMED =
  /((?:private|preshared)[ _-]?key|secret|token|password|authorization)(["']?\s*[:=]\s*["']?)([^\s"',}]+)/gi
/** `wg` says this where it hides something itself. */
const HIDDEN = '(hidden)'
/** Shorter texts would be found by chance. */
const SECRET_MIN_LENGTH = 4

/**
 * The text without secrets: the ones that are known, wherever they stand, and whatever is called one. It is the last net;
 * nothing that is collected should hold a secret in the first place.
 */
export function scrub(text: string, secrets: readonly string[]): string {
  const known = secrets
    .filter((secret) => secret.length >= SECRET_MIN_LENGTH)
    .toSorted((a, b) => b.length - a.length)
  const without = known.reduce((rest, secret) => rest.replaceAll(secret, REDACTED), text)
  return without.replace(NAMED, (all, name: string, between: string, value: string) =>
    value.startsWith(HIDDEN) || value.startsWith(REDACTED) ? all : `${name}${between}${REDACTED}`,
  )
}
