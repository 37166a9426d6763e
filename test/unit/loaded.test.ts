import { globSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'

/**
 * Coverage counts the files that some test loads, so a file that none does would not count at all. Process edges are
 * left out: they act when they are loaded, and the end-to-end tests run them as processes.
 */
const EDGES = new Set(['discovery/main.ts', 'discovery/warm-up/clients.ts', 'kubespan/main.ts'])

test('every source file is loaded, so that coverage counts it', async () => {
  for (const file of globSync('{discovery,kubespan,shared}/**/*.ts'))
    if (!EDGES.has(file)) await import(resolve(file))
})
