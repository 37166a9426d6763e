import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { MetricsServer } from '../../../../kubespan/metrics/server.ts'
import { plainAnswer } from '../../../../shared/http.ts'

function world() {
  const lines: string[] = []
  const log = {
    info: (_: object, text: string) => void lines.push(text),
    warn: (_: object, text: string) => void lines.push(`! ${text}`),
  }
  return { lines, server: new MetricsServer({ handler: () => plainAnswer(200, 'here'), log }) }
}

test('metrics are served where the configuration says, and moved with it', async () => {
  const { lines, server } = world()
  await using _server = server
  await server.follow(undefined)
  assert.equal(server.port, undefined)
  await server.follow('127.0.0.1:0')
  const { port } = server
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'here\n')
  await server.follow('127.0.0.1:0')
  assert.equal(server.port, port, 'the same address is not opened anew')
  await server.follow(undefined)
  assert.equal(server.port, undefined)
  assert.deepEqual(lines, ['metrics are served'])
})

test('an address that is taken is a warning, and tried again', async () => {
  const first = world()
  const second = world()
  await using _first = first.server
  await using _second = second.server
  await first.server.follow('127.0.0.1:0')
  const address = `127.0.0.1:${first.server.port}`
  await second.server.follow(address)
  assert.match(second.lines[0] ?? '', /^! metrics are not served/)
  await first.server.follow(undefined)
  await second.server.follow(address)
  assert.equal(second.server.port, Number(address.split(':')[1]))
})

test('any number of half requests keeps nobody from the metrics', async () => {
  const { server } = world()
  await using _server = server
  await server.follow('127.0.0.1:0')
  const { port = 0 } = server
  const silent: Socket[] = []
  let closed = 0
  for (let index = 0; index < 200; index++) {
    const socket = connect(port, '127.0.0.1')
    silent.push(socket)
    socket
      .on('error', () => {})
      .on('close', () => {
        closed += 1
      })
    await once(socket, 'connect')
    socket.resume().write('GET /metrics HTTP/1.1\r\n')
  }
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), 'here\n')
  while (closed < 136) await once(silent[closed] as Socket, 'close')
  for (const socket of silent) socket.destroy()
})
