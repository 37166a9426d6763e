import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type Tool, ToolRunner } from '../../../../kubespan/host/runner.ts'
import { ToolError } from '../../../../kubespan/host/tool-error.ts'

let directory = ''
let runner: ToolRunner
let path = ''

/** A tool of the host, played by a shell script. */
async function script(tool: Tool, body: string): Promise<void> {
  await writeFile(join(directory, 'bin', tool), `#!/bin/sh\n${body}\n`)
  await chmod(join(directory, 'bin', tool), 0o755)
}

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-runner-'))
  await mkdir(join(directory, 'bin'))
  path = `${join(directory, 'bin')}:/usr/bin:/bin`
  runner = new ToolRunner({ runDirectory: join(directory, 'run'), path })
})
after(() => rm(directory, { recursive: true }))

const failure = async (promise: Promise<unknown>): Promise<ToolError> => {
  const error = await promise.then(
    () => assert.fail('it should have failed'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ToolError, String(error))
  return error
}

test('arguments go in as they are, output comes back as it is', async () => {
  await script('ip', 'printf "%s|" "$@"; echo')
  assert.equal(await runner.run('ip', ['a b', '$HOME', '']), 'a b|$HOME||\n')
})

test('standard input can be opened by name, as wg does, and read in place, as nft does', async () => {
  await script('wg', 'cat /dev/stdin')
  assert.equal(await runner.run('wg', [], 'by name\n'), 'by name\n')
  await script('nft', 'cat')
  const large = 'add element inet t s { 10.0.0.0/8 }\n'.repeat(20_000)
  assert.equal(await runner.run('nft', [], large), large)
})

test('only systemd-notify is told where systemd listens', async () => {
  const notified = new ToolRunner({ runDirectory: join(directory, 'run'), path, notifySocket: '/run/notify' })
  for (const [tool, want] of [
    ['systemd-notify', '/run/notify\n'],
    ['ip', '\n'],
  ] as const) {
    await script(tool, 'echo "$NOTIFY_SOCKET"')
    assert.equal(await notified.run(tool, []), want)
  }
})

test('what was given on standard input leaves no file', async () => {
  await script('wg', 'ls -A "$1"')
  assert.equal(await runner.run('wg', [join(directory, 'run')], 'secret'), '')
  assert.deepEqual(await readdir(join(directory, 'run')), [])
  assert.equal((await stat(join(directory, 'run'))).mode & 0o777, 0o700)
})

test('tools get nothing of our environment but the language of their errors', async () => {
  await script(
    'ip',
    'echo "$LC_ALL"; env | cut -d= -f1 | grep -vE "^(PATH|LC_ALL|PWD|SHLVL|_|NODE_V8_COVERAGE)$"; true',
  )
  assert.equal(await runner.run('ip', []), 'C\n')
})

test('a failure says which tool, what it was told, and what it said', async () => {
  await script('ip', 'echo "Cannot find device" >&2; exit 2')
  const error = await failure(runner.run('ip', ['link', 'show', 'x']))
  assert.equal(error.kind, 'failed')
  assert.equal(error.exitCode, 2)
  assert.equal(error.stderr, 'Cannot find device')
  assert.equal(error.message, 'ip link show x exited with 2: Cannot find device')
})

test('wg quotes what it cannot read; the error does not', async () => {
  await script('wg', 'echo "Key is not the correct length or format: \\`$(cat)\'" >&2; exit 1')
  const error = await failure(runner.run('wg', ['addconf', 'l', '/dev/stdin'], 'PresharedKey=hunter2'))
  assert.equal(
    error.message,
    'wg addconf l /dev/stdin exited with 1: Key is not the correct length or format: `…',
  )
  assert.ok(!JSON.stringify(error).includes('hunter2'))
})

test('a thousand arguments do not make a message of a thousand arguments', async () => {
  await script('wg', 'exit 1')
  const error = await failure(
    runner.run(
      'wg',
      Array.from({ length: 1000 }, () => 'remove'),
    ),
  )
  assert.ok(error.message.length < 300)
})

test('a tool that is missing, hangs or is killed is told apart', async () => {
  await script('ip', 'exec sleep 30')
  const hasty = new ToolRunner({ runDirectory: directory, path, timeout: 50 })
  assert.equal((await failure(hasty.run('ip', []))).kind, 'timeout')
  await script('ip', 'kill -9 $$')
  assert.equal((await failure(runner.run('ip', []))).kind, 'killed')
  const bare = new ToolRunner({ runDirectory: directory, path: '/nonexistent' })
  const error = await failure(bare.run('nft', []))
  assert.equal(error.kind, 'missing')
  assert.match(error.message, /nft is not installed/)
})

test('what is asked often is answered as by run', async () => {
  await script('wg', 'printf "%s|" "$@"; yes | head -c 300000; echo fine >&2')
  const args = ['show', 'a b', '$HOME', '']
  assert.equal(await runner.runOften('wg', args), await runner.run('wg', args))
  await script('wg', 'echo half; echo "Unable to access interface: No such device" >&2; exit 3')
  const failed = await failure(runner.runOften('wg', ['show']))
  assert.deepEqual(
    [failed.kind, failed.exitCode, failed.stderr],
    ['failed', 3, 'Unable to access interface: No such device'],
  )
  await script('wg', 'kill -9 $$')
  assert.equal((await failure(runner.runOften('wg', ['show']))).kind, 'killed')
  await rm(join(directory, 'bin', 'wg'))
  const without = new ToolRunner({ runDirectory: join(directory, 'run'), path: join(directory, 'bin') })
  assert.equal((await failure(without.runOften('wg', ['show']))).kind, 'missing')
})

/** The session is the shell's, under its own number. */
const SESSION = 'read -r _ _ _ _ _ session _ < /proc/self/stat; echo "$session"'

test('one shell stays for it, and answers in turn', async () => {
  await script('wg', SESSION)
  const [first, second] = await Promise.all([runner.runOften('wg', ['a']), runner.runOften('wg', ['a'])])
  assert.match(first, /^\d+\n$/)
  assert.equal(second, first)
  assert.notEqual(await runner.runOften('wg', ['b']), first, 'another question, another shell')
})

test('a shell that is killed, or hangs, is replaced with the next question', async () => {
  const impatient = new ToolRunner({ runDirectory: join(directory, 'run'), path, timeout: 1000 })
  await script('wg', SESSION)
  const shell = Number(await impatient.runOften('wg', []))
  await script('wg', `kill -9 ${shell}`)
  assert.equal((await failure(impatient.runOften('wg', []))).kind, 'killed')
  await script('wg', 'exec sleep 60')
  assert.equal((await failure(impatient.runOften('wg', []))).kind, 'timeout')
  await script('wg', SESSION)
  assert.notEqual(Number(await impatient.runOften('wg', [])), shell)
})

test('a stream yields lines until its signal aborts', async () => {
  await script('ip', 'echo one; echo two; exec sleep 30')
  const stop = new AbortController()
  const lines: string[] = []
  for await (const line of runner.stream('ip', ['monitor'], stop.signal)) {
    lines.push(line)
    if (lines.length === 2) stop.abort()
  }
  assert.deepEqual(lines, ['one', 'two'])
  for await (const _ of runner.stream('ip', [], stop.signal)) assert.fail('it was aborted before it began')
})

test('leaving a stream early ends its tool', async () => {
  await script('ip', 'echo $$; exec sleep 30')
  let pid = ''
  for await (const line of runner.stream('ip', [], new AbortController().signal)) {
    pid = line
    break
  }
  // The name is free again as soon as the child has been waited for.
  const running = async (): Promise<boolean> =>
    await readFile(`/proc/${pid}/stat`, 'utf8').then(
      (line) => !line.includes(' Z '),
      () => false,
    )
  for (let tries = 0; (await running()) && tries < 500; tries += 1)
    await new Promise((next) => setImmediate(next))
  assert.equal(await running(), false)
})

test('a monitor that ends by itself is a failure', async () => {
  await script('nft', 'echo line; echo "no permission" >&2; exit 1')
  const lines: string[] = []
  const error = await failure(
    (async () => {
      for await (const line of runner.stream('nft', ['monitor'], new AbortController().signal))
        lines.push(line)
    })(),
  )
  assert.deepEqual(lines, ['line'])
  assert.equal(error.message, 'nft monitor exited with 1: no permission')
})

test('a detached tool has a session of its own and writes to its log', async () => {
  await script('wireguard-go', 'echo "$(cut -d" " -f6 /proc/$$/stat) $$"; exec sleep 0.2')
  await runner.spawnDetached('wireguard-go', ['-f', 'link'], 'wireguard.log')
  const log = join(directory, 'run', 'wireguard.log')
  let said = ''
  while (!said.endsWith('\n')) {
    await new Promise((next) => setImmediate(next))
    said = await readFile(log, 'utf8')
  }
  const [session, pid] = said.trim().split(/\s+/)
  assert.equal(session, pid)
  assert.equal((await stat(log)).mode & 0o777, 0o600)
})

test('a detached tool that does not start is a failure', async () => {
  const bare = new ToolRunner({ runDirectory: join(directory, 'run'), path: '/nonexistent' })
  const error = await failure(bare.spawnDetached('wireguard-go', ['-f', 'l'], 'w.log'))
  assert.equal(error.kind, 'missing')
})
