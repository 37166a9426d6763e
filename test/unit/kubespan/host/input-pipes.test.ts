import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, mkdtempSync, readdirSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { InputPipes } from '../../../../kubespan/host/input-pipes.ts'
import { RealPipe } from '../../../../kubespan/host/real-pipe.ts'

const directory = mkdtempSync(join(tmpdir(), 'openspan-pipes-'))
after(() => rmSync(directory, { recursive: true }))
const env = { PATH: '/usr/bin:/bin' }
const pipes = (change: NodeJS.ProcessEnv = {}): InputPipes =>
  new InputPipes({ directory, env: { ...env, ...change } })

/** What a tool reads that opens its standard input by name. */
const read = (fd: number, script = 'cat /dev/stdin'): Promise<string> =>
  new Promise((resolve) => {
    const child = spawn('/bin/sh', ['-c', script], { env, stdio: [fd, 'pipe', 'inherit'] })
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    child.on('close', () => resolve(said))
  })

const LARGE = 'set kubespan peer abcdefgh\n'.repeat(40_000)

test('an input of any size arrives whole, by a pipe, and leaves no file', async () => {
  const lent = pipes()
  for (const input of [
    '',
    'one line\n',
    'ü€\n',
    'x'.repeat(65_536),
    'x'.repeat(65_537),
    LARGE,
    'short again\n',
  ])
    await lent.lend(input, async (fd) => {
      assert.ok(fstatSync(fd).isFIFO())
      assert.deepEqual(readdirSync(directory), [])
      assert.equal(await read(fd), input)
      return undefined
    })
})

test('the whole of it is there before anybody reads', async () => {
  await pipes().lend('all of it\n', async (fd) => {
    const buffer = Buffer.alloc(100)
    assert.equal(buffer.toString('utf8', 0, readSync(fd, buffer)), 'all of it\n')
    assert.equal(readSync(fd, buffer), 0, 'nobody is waited for')
  })
})

test('several at once do not mix', async () => {
  const lent = pipes()
  const inputs = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? LARGE : `input ${index}\n`))
  for (let round = 0; round < 2; round += 1)
    assert.deepEqual(await Promise.all(inputs.map((input) => lent.lend(input, (fd) => read(fd)))), inputs)
})

test('what a tool left unread nobody else reads', async () => {
  const lent = pipes()
  for (const left of ['secret\n', LARGE]) {
    await lent.lend(left, (fd) => read(fd, 'exit 1'))
    assert.equal(await lent.lend('mine\n', (fd) => read(fd)), 'mine\n')
  }
  await assert.rejects(
    lent.lend('secret\n', () => Promise.reject(new Error('never began'))),
    /never began/,
  )
  assert.equal(await lent.lend('mine\n', (fd) => read(fd)), 'mine\n')
})

test('a pipe is used again, and none is lost', async () => {
  const lent = pipes()
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  await lent.lend('a', (fd) => read(fd))
  const before = descriptors()
  for (let round = 0; round < 5; round += 1) {
    await lent.lend('a', (fd) => read(fd))
    await lent.lend(LARGE, (fd) => read(fd))
    await lent.lend(LARGE, (fd) => read(fd, 'exit 1'))
  }
  // What was left unread took its pipe with it.
  await lent.lend('a', (fd) => read(fd))
  assert.equal(descriptors(), before)
})

test('where no helper can be started a file does', async () => {
  await pipes({ PATH: '/nonexistent' }).lend(LARGE, async (fd) => {
    assert.ok(fstatSync(fd).isFile())
    assert.equal(await read(fd), LARGE)
  })
})

test('a pipe has two ends, and says when it is as good as new', async () => {
  const pipe = await RealPipe.open(env)
  assert.ok(pipe.isSpent())
  assert.equal(pipe.write(Buffer.from('word')), 4)
  assert.equal(await read(pipe.reader), 'word')
  const writer = pipe.openWriter()
  assert.ok(!pipe.isSpent(), 'somebody may write')
  closeSync(writer)
  assert.ok(pipe.isSpent())
  pipe.write(Buffer.from('word'))
  assert.ok(!pipe.isSpent(), 'something is in it')
  pipe.close()
})
