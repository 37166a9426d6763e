import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { HttpListener, plainAnswer } from '../../../shared/http.ts'

const MAX = 3

async function world() {
  const listener = await HttpListener.listen(
    { host: '127.0.0.1', port: 0 },
    () => plainAnswer(200, 'ok'),
    (error) => assert.fail(String(error)),
    10_000,
    MAX,
  )
  const call = async (text = ''): Promise<Socket> => {
    const socket = connect(listener.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(text)
    return socket
  }
  return { listener, call }
}

test('who opens connections and asks nothing keeps nobody out, and not more than the limit are kept', async () => {
  const { listener, call } = await world()
  await using _listener = listener
  const silent: Socket[] = []
  const closed: number[] = []
  for (let index = 0; index < 20; index++) {
    const socket = await call('GET / HTTP/1.1\r\n')
    socket.once('close', () => closed.push(index)).resume()
    silent.push(socket)
  }
  const answer = await fetch(`http://127.0.0.1:${listener.port}/`)
  assert.equal(await answer.text(), 'ok\n')
  while (closed.length < 20 - MAX + 1) await once(silent[closed.length] as Socket, 'close')
  assert.deepEqual(
    closed.toSorted((a, b) => a - b).slice(0, 17),
    Array.from({ length: 17 }, (_, index) => index),
    'the oldest first',
  )
  for (const socket of silent) socket.destroy()
})

test('who has had an answer waits like everybody else', async () => {
  const { listener, call } = await world()
  await using _listener = listener
  const kept = await call('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [first] = await once(kept, 'data')
  assert.match(String(first), /^HTTP\/1.1 200/)
  const others: Socket[] = []
  const gone = once(kept, 'close')
  for (let index = 0; index < MAX; index++) others.push(await call())
  await gone
  for (const socket of others) socket.destroy()
})
