import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { HTTP2_PREFACE } from '../../discovery/transport/preface.ts'
import { DiscoveryProcess } from '../support/discovery-process.ts'

delete process.env.OPENSSL_CONF // of whoever runs the tests

/** What an operator may have. */
const OWN_CONFIGURATION = `
nodejs_conf = own
[own]
ssl_conf = own_contexts
[own_contexts]
system_default = own_tls
[own_tls]
NumTickets = 3
`

/** How many tickets come with a connection: they are there before the first frame of HTTP/2. */
async function ticketsOf(service: DiscoveryProcess): Promise<number> {
  const socket = connect({
    host: '127.0.0.1',
    port: service.port,
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
  })
  let tickets = 0
  socket.on('session', () => {
    tickets += 1
  })
  try {
    await once(socket, 'secureConnect')
    assert.equal(socket.getProtocol(), 'TLSv1.3')
    socket.write(HTTP2_PREFACE)
    await once(socket, 'data')
    return tickets
  } finally {
    socket.destroy()
  }
}

const startWithTls = (): Promise<DiscoveryProcess> =>
  DiscoveryProcess.start('-certificate-path=test/support/tls/one.crt', '-key-path=test/support/tls/one.key')

test('as it is meant to be started, it makes no tickets that nobody redeems', async () => {
  await using service = await startWithTls()
  assert.equal(await ticketsOf(service), 0)
})

test("an operator's own configuration of OpenSSL is the one that counts", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'openspan-'))
  const file = join(directory, 'openssl.cnf')
  try {
    await writeFile(file, OWN_CONFIGURATION)
    process.env.OPENSSL_CONF = file
    await using service = await startWithTls()
    assert.equal(await ticketsOf(service), 3)
  } finally {
    delete process.env.OPENSSL_CONF
    await rm(directory, { recursive: true })
  }
})
