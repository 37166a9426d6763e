/**
 * Orders texts by the bytes of their UTF-8 form, as Go and the protocol do. JavaScript's own order is by UTF-16
 * unit, where characters beyond U+FFFF sort before some within it.
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return codePointRank(left) - codePointRank(right)
  }
  return a.length - b.length
}

/** Moves the surrogates, which stand for the highest code points, above all other units. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
