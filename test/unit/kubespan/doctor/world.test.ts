import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemWorld } from '../../../../kubespan/doctor/world.ts'
import type { Address } from '../../../../shared/net/address.ts'
import { settingsOf } from '../../../support/doctor-facts.ts'
import { FakeHost } from '../../../support/fake-host.ts'

const world = systemWorld(new FakeHost(), async () => undefined)
const LOOPBACK = '127.0.0.1' as Address

test('files are looked at, and what is not there is nothing', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'openspan-doctor-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = join(directory, 'one')
  writeFileSync(path, 'text', { mode: 0o640 })
  assert.equal(await world.read(path), 'text')
  assert.deepEqual(await world.list(directory), ['one'])
  assert.equal((await world.stat(path))?.isDirectory, false)
  assert.ok(((await world.freeBytes(directory)) ?? 0) > 0)
  const gone = join(directory, 'two')
  assert.deepEqual(
    [await world.read(gone), await world.list(gone), await world.stat(gone), await world.freeBytes(gone)],
    [undefined, [], undefined, undefined],
  )
  await assert.rejects(world.read(directory), /EISDIR/)
  assert.ok((await world.privileges()).uid >= 0)
  assert.ok((await world.programs()).size >= 0)
})

test('a service is dialled and greeted, and a closed port is an error', async () => {
  const server = createServer((socket) => socket.destroy())
  const port = await new Promise<number>((done) => {
    server.listen(0, LOOPBACK, () => {
      const at = server.address()
      done(typeof at === 'object' && at !== null ? at.port : 0)
    })
  })
  await world.dial(LOOPBACK, port, 1000)
  const endpoint = { host: LOOPBACK, port, plaintext: true }
  await assert.rejects(world.hello(endpoint, settingsOf(), 2000), /Hello/)
  await new Promise((done) => server.close(done))
  await assert.rejects(world.dial(LOOPBACK, port, 1000), /ECONNREFUSED/)
})
