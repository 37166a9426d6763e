import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { checkAnnotations, checkMerge } from './vectors/affiliates.ts'
import type { Check } from './vectors/case.ts'
import { checkEndpointFilter, checkNodeId, checkUla } from './vectors/identity.ts'
import { checkAllowedIps, checkPeerState, checkRotation } from './vectors/peers.ts'
import { checkAffiliateCrypto, checkEndpointCrypto } from './vectors/sealing.ts'
import { checkClientVersion, checkSnapshot, checkSnapshotFile } from './vectors/service.ts'

/**
 * `npm run -s vectors -- DIR`: checks what was recorded of the reference against our functions. Per file one line
 * `FILE: N passed, M failed`, before it each failing case with what differs. Exits 1 when anything failed, 2 on misuse.
 *
 * A case's `required` field wins over what was recorded, and so does what SPEC 9 demands of us; each check says where.
 */

interface RecordedFile {
  readonly cases: readonly { readonly name?: string }[]
}

const eachCase =
  <C>(check: Check<C>): FileCheck =>
  (read, file) => {
    const { cases } = JSON.parse(new TextDecoder().decode(read(file))) as RecordedFile
    return cases.map((recorded, index) => ({
      name: recorded.name ?? `case ${index}`,
      run: () => check(recorded as C, read),
    }))
  }

type Read = (file: string) => Uint8Array
type FileCheck = (read: Read, file: string) => readonly { readonly name: string; readonly run: () => void }[]

const files: Readonly<Record<string, FileCheck>> = {
  'affiliate-crypto.json': eachCase(checkAffiliateCrypto),
  'affiliate-merge.json': eachCase(checkMerge),
  'allowed-ips.json': eachCase(checkAllowedIps),
  'base62.json': eachCase(checkNodeId),
  'client-version.json': eachCase(checkClientVersion),
  'endpoint-crypto.json': eachCase(checkEndpointCrypto),
  'endpoint-filter.json': eachCase(checkEndpointFilter),
  'k8s-annotations.json': eachCase(checkAnnotations),
  'peer-state.json': eachCase(checkPeerState),
  'rotation.json': eachCase(checkRotation),
  'snapshot.binpb': (read, file) => {
    const bytes = read(file)
    return [{ name: 'reads, and reads the same when written again', run: () => checkSnapshotFile(bytes) }]
  },
  'snapshot.json': eachCase(checkSnapshot),
  'ula.json': eachCase(checkUla),
}

const DIFF_LINES = 24

const shortened = (message: string): string => {
  const lines = message.split('\n')
  return lines.length <= DIFF_LINES ? message : [...lines.slice(0, DIFF_LINES), '…'].join('\n')
}

/** Runs one file's cases and prints what failed and the totals; says whether all passed. */
function checkFile(read: Read, file: string, check: FileCheck): boolean {
  let [passed, failed] = [0, 0]
  const fail = (name: string, error: unknown): void => {
    failed += 1
    const message = error instanceof Error ? error.message : String(error)
    process.stdout.write(`FAILED ${file}: ${name}\n${shortened(message).replace(/^/gm, '    ')}\n`)
  }
  for (const { name, run } of casesOf(read, file, check, fail)) {
    try {
      run()
      passed += 1
    } catch (error) {
      fail(name, error)
    }
  }
  process.stdout.write(`${file}: ${passed} passed, ${failed} failed\n`)
  return failed === 0
}

function casesOf(
  read: Read,
  file: string,
  check: FileCheck,
  fail: (name: string, error: unknown) => void,
): ReturnType<FileCheck> {
  try {
    const cases = check(read, file)
    if (cases.length === 0) fail('no cases', 'the file holds none')
    return cases
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    fail(isMissing ? 'missing file' : 'unreadable file', error)
    return []
  }
}

const [folder, ...more] = process.argv.slice(2)
if (folder === undefined || more.length > 0 || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) {
  process.stderr.write('usage: npm run -s vectors -- DIR\n')
  process.stderr.write(`DIR holds ${Object.keys(files).join(', ')}\n`)
  process.exit(2)
}
const read: Read = (file) => readFileSync(join(folder, file))
const results = Object.entries(files).map(([file, check]) => checkFile(read, file, check))
process.exitCode = results.every(Boolean) ? 0 : 1
