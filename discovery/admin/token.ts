/** Short tokens are guessed. */
const TOKEN_MIN_CHARACTERS = 16

/** The token of the admin API: what its file holds but for blanks around it. @throws when that is too short to be one. */
export function parseToken([content]: readonly Buffer[]): string {
  const token = String(content).trim()
  if (token.length < TOKEN_MIN_CHARACTERS)
    throw new Error(`the admin token must have at least ${TOKEN_MIN_CHARACTERS} characters`)
  return token
}
