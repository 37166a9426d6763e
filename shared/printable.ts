/** Control characters, marks that turn the direction of writing, characters without width, halves of characters. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu

const escapeUnit = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`

/**
 * Text as a terminal shows it instead of obeying it. Names, endpoints and error texts come from other machines; all of it
 * passes here before it is printed. The escapes are those of JSON, so inside its strings nothing is lost.
 */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (character) => character.split('').map(escapeUnit).join(''))

/** Enough for every sentence that somebody wrote to be read. */
const CLIP_CHARACTERS = 240

/** What another machine says, for a log, a status or an error: printable, and no longer than anybody reads. */
export const clipped = (text: string, most = CLIP_CHARACTERS): string => {
  const start = printable(text.slice(0, most))
  return text.length <= most && start.length <= most ? start : `${start.slice(0, most)}…`
}
