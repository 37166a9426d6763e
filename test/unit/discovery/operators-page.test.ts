import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { discoveryFlags } from '../../../discovery/flag-table.ts'
import type { Flag } from '../../../shared/flags.ts'

/** The page for operators says what the code does. */
const page = readFileSync('docs/operators.md', 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('| `-'))

for (const [key, declared] of Object.entries(discoveryFlags(false)) as [string, Flag<unknown>][]) {
  const name = `-${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  test(`${name} is on the page, with its default`, () => {
    const row = rows.find((line) => line.split('|')[1]?.includes(`\`${name}\``))
    assert.ok(row !== undefined)
    const value = declared.format(declared.default)
    const isOnlyOfThisRun = name === '-version' || name === '-help'
    if (value !== '' && !isOnlyOfThisRun)
      assert.ok(row.split('|')[2]?.includes(`\`${value}\``), `${value} in ${row}`)
  })
}

test('the page names no flag that is not there', () => {
  const known = new Set(Object.keys(discoveryFlags(false)).map((key) => key.toLowerCase()))
  for (const row of rows)
    for (const [, name = ''] of (row.split('|')[1] ?? '').matchAll(/`-([a-z0-9-]+)`/g))
      assert.ok(name === 'help' || known.has(name.replaceAll('-', '')), name)
})
