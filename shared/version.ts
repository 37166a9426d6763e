import { createRequire } from 'node:module'

/** The version of both programs, in the form that services count clients by: `v1.2.3`. */
export const ownVersion = (): string =>
  `v${(createRequire(import.meta.url)('../package.json') as { version: string }).version}`
