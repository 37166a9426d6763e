/** Scalars as Go's YAML (gopkg.in/yaml.v3) reads them into a field of a given type. What YAML 1.2 has read stays. */

/** The words of YAML 1.1 count where a field is a boolean, in quotes as well; `true` in quotes does not. */
const WORDS: ReadonlyMap<unknown, boolean> = new Map([
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map((word) => [word, true] as const),
  ...['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map((word) => [word, false] as const),
])

export const goBoolean = (value: unknown): unknown => WORDS.get(value) ?? value

/** What YAML 1.2 takes for a text: underscores, base 2, and capital letters of a base. */
const ONLY_GO =
  /^[-+]?(?:0[bB][01_]+|0O[0-7_]+|0X[0-9a-fA-F_]+|(?=[\d_]*_)\d[\d_]*|0[xo](?=[\da-fA-F_]*_)[\da-fA-F_]+)$/

export function goInteger(value: unknown): unknown {
  if (typeof value !== 'string' || !ONLY_GO.test(value)) return value
  const [, sign, digits = ''] = /^([-+]?)(.*)$/.exec(value.replaceAll('_', '').toLowerCase()) ?? []
  const number = /^0\d/.test(digits) ? goDecimal(digits) : Number(digits)
  return Number.isNaN(number) ? value : sign === '-' ? -number : number
}

/** A leading zero means base 8, unless a digit forbids it. */
export const goDecimal = (text: string): number =>
  /^[-+]?0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text)
