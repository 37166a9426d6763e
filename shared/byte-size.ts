/** Powers of 1024, whether written with the i or without: nobody means 10^9 bytes of memory by 1G. */
const UNITS: readonly string[] = ['', 'K', 'M', 'G', 'T']
const SIZE = /^(\d{1,16}(?:\.\d+)?) ?(?:([KMGT])i?)?B?$/i

/** Reads `536870912`, `512M`, `512MiB`, `1.5 GB`: a whole number of bytes; undefined when it is no size. */
export function parseByteSize(text: string): number | undefined {
  const match = SIZE.exec(text)
  if (match === null) return undefined
  const bytes = Number(match[1]) * 1024 ** UNITS.indexOf((match[2] ?? '').toUpperCase())
  return bytes <= Number.MAX_SAFE_INTEGER ? Math.round(bytes) : undefined
}

/** The shortest exact text: `512MiB`, `1536KiB`, `1000`. */
export function formatByteSize(bytes: number): string {
  let power = 0
  while (power < UNITS.length - 1 && bytes !== 0 && bytes % 1024 ** (power + 1) === 0) power += 1
  return power === 0 ? String(bytes) : `${bytes / 1024 ** power}${UNITS[power]}iB`
}
