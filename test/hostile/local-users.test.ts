import assert from 'node:assert/strict'
import { chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually, PATIENCE_MS, skip } from '../e2e/story.ts'
import { patient } from '../support/patience.ts'
import { Bed, Traffic } from './bed.ts'

const CONNECTIONS = 3_000
const OPEN_FILES_MAX = 500
const SOMEBODY = 12_345
const ENDS_WITHIN_MS = 15_000

/** Begins as many requests as it can, and ends none. */
const HALF_REQUESTS = `
import { connect } from 'node:net'
for (let count = 0; count < ${CONNECTIONS}; count += 1)
  connect(9173, '127.0.0.1', function () { this.write('GET /metrics HT') }).on('error', () => {})
setTimeout(() => console.log('begun'), 2_000)
setInterval(() => {}, 1_000)
`
const ASK = `const r = await fetch('http://127.0.0.1:9173/metrics'); console.log(await r.text())`

test('users of the same machine', { skip }, async (t) => {
  await using bed = await Bed.make('local', { names: ['a', 'b', 'c'], later: ['c'] })
  const { lab, mesh } = bed
  const [a, b, c] = ['a', 'b', 'c'].map((name) => bed.host(name))
  assert.ok(a && b && c)

  await t.test('half requests for metrics take no more than some open files', async () => {
    await using traffic = await Traffic.between(lab, a, b)
    const openFiles = (): number => readdirSync(`/proc/${mesh.daemon(a).pid}/fd`).length
    const before = openFiles()
    {
      await using many = a.spawn(process.execPath, ['--input-type=module', '-e', HALF_REQUESTS], {
        name: 'half-requests',
      })
      await many.waitFor(/begun/)
      assert.ok(openFiles() - before <= OPEN_FILES_MAX, `${openFiles() - before} more open files`)
      await traffic.assertUnharmed()
    }
    await eventually(
      'metrics are served again',
      async () =>
        (await a.exec(process.execPath, ['--input-type=module', '-e', ASK], { check: false })).stdout,
      (text) => text.includes('kubespan_'),
    )
  })

  /** What the daemon of the third host says, which has to end by itself. */
  const refusal = async (): Promise<string> => {
    const daemon = mesh.startDaemon(c)
    const late = AbortSignal.timeout(patient(ENDS_WITHIN_MS))
    const inTime = new Promise<undefined>((resolve) =>
      late.addEventListener('abort', () => resolve(undefined)),
    )
    const ended = await Promise.race([daemon.ended, inTime])
    if (ended === undefined) await daemon.stop('SIGTERM')
    assert.ok(ended !== undefined && ended.code !== 0, `it runs\n${daemon.output.slice(-1_000)}`)
    return daemon.output
  }

  await t.test('a state directory that somebody else has made is refused', async () => {
    chownSync(c.stateDirectory, SOMEBODY, SOMEBODY)
    assert.match(await refusal(), /belongs to|owned by|owner/)
    chownSync(c.stateDirectory, 0, 0)
  })

  await t.test(
    'a run directory that somebody else has made is refused, and no link in it is followed',
    async () => {
      const run = join(c.runDirectory, 'kubespan')
      mkdirSync(run, { recursive: true })
      chownSync(run, SOMEBODY, SOMEBODY)
      const target = join(c.directory, 'target')
      writeFileSync(target, '')
      for (const name of ['wireguard.log', 'wireguard-go.log', 'kubespan.log'])
        symlinkSync('../../target', join(run, name))
      assert.match(await refusal(), /belongs to|owned by|owner/)
      chownSync(run, 0, 0)
    },
  )

  await t.test('afterwards it starts', async () => {
    mesh.startDaemon(c)
    await mesh.full(PATIENCE_MS)
  })
})
