import { stringify } from 'yaml'
import { printableLines } from './printable.ts'

/** JSON for programs and people: what a terminal would obey is escaped. */
export const toJson = (value: unknown, indent: number | undefined = 2): string =>
  `${printableLines(JSON.stringify(value, undefined, indent) ?? 'null')}\n`

/** YAML of the same value as JSON has it: no undefined, no class. */
export const toYaml = (value: unknown): string =>
  printableLines(stringify(JSON.parse(JSON.stringify(value ?? null))))
