import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A script of Redis; its file says what keys and arguments it takes, and how it answers. */
export interface Script {
  readonly source: string
  /** By which Redis knows it once it was sent. */
  readonly sha: string
}

const load = (name: string): Script => {
  const source = readFileSync(join(import.meta.dirname, 'scripts', `${name}.lua`), 'utf8')
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

export const SCRIPTS = {
  write: load('write'),
  read: load('read'),
  count: load('count'),
  epoch: load('epoch'),
  turn: load('turn'),
  claim: load('claim'),
}
