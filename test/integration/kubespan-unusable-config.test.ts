import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { serveControl } from '../../kubespan/control/server.ts'
import { daemonView } from '../support/daemon-view.ts'
import { FakeDaemon } from '../support/fake-daemon.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'

/**
 * The commands that only ask the daemon, with a configuration that has a mistake in it or may not be read, as processes.
 * In a host of its own, because the usual socket lies in /run.
 */
const skip = whyNoPrivateHost([]) ?? false
if (!skip) enterPrivateHost(fileURLToPath(import.meta.url))

const directory = mkdtempSync(join(tmpdir(), 'openspan-config-'))
chmodSync(directory, 0o755)
after(() => rmSync(directory, { recursive: true }))

const NOBODY = 65_534
const USUAL = '/run/kubespan/kubespan.sock'
const mesh = 'apiVersion: v1alpha1\nkind: KubeSpanConfig\nenabled: true\n'
const node = (runDirectory: string): string =>
  `apiVersion: v1alpha1\nkind: NodeConfig\nrunDirectory: ${runDirectory}\n`

function write(name: string, text: string, mode = 0o644): string {
  const path = join(directory, name)
  writeFileSync(path, text, { mode })
  return path
}

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `kubespan` beside us: the daemon that it asks is in this process. */
const kubespan = (args: readonly string[], uid = 0): Promise<Ended> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [resolve('kubespan/main.ts'), ...args], { uid, gid: uid })
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        said[stream] += text
      })
    child.on('close', (status) => done({ status, ...said }))
  })

class WillingDaemon extends FakeDaemon {
  override down = async () => void this.asked.push('down')
}

const bad = write('bad.yaml', `${mesh}mtu: 12\n`)

test('every command that asks the daemon does so all the same, and says in one line what is wrong', {
  skip,
}, async () => {
  const daemon = new WillingDaemon()
  await using _server = await serveControl(USUAL, daemon)
  for (const command of [
    ['status'],
    ['peers'],
    ['get', 'affiliates'],
    ['explain', 'worker-2'],
    ['forget', 'gone'],
    ['reload'],
    ['leave'],
    ['down'],
  ]) {
    const { status, stderr } = await kubespan([...command, '--config', bad])
    assert.equal(
      stderr,
      `kubespan: warning: ${bad}:4: mtu: must be at least 1280; the daemon is asked on ${USUAL} all the same\n`,
      command[0],
    )
    assert.equal(status, 0, command[0])
    // The fake refuses to reload from here on.
    if (command[0] === 'leave') assert.ok(daemon.asked.includes('leave'))
  }
  assert.ok(daemon.asked.includes('down'))
})

test('what programs read stays clean', { skip }, async () => {
  const daemon = new FakeDaemon()
  await using _server = await serveControl(USUAL, daemon)
  for (const format of ['json', 'yaml']) {
    const [clean, warned] = await Promise.all([
      kubespan(['status', '-o', format, '--socket', USUAL]),
      kubespan(['status', '-o', format, '--config', bad]),
    ])
    assert.equal(clean.stderr, '')
    assert.equal(warned.stdout, clean.stdout)
    assert.match(warned.stderr, /^kubespan: warning: [^\n]*\n$/)
  }
})

test('a file that may not be read is no reason not to ask, for one who may ask', { skip }, async () => {
  const daemon = new FakeDaemon()
  await using _server = await serveControl(USUAL, daemon)
  chmodSync('/run/kubespan', 0o755)
  chownSync(USUAL, NOBODY, NOBODY)
  const file = write('secret.yaml', mesh, 0o600)
  const { status, stdout, stderr } = await kubespan(['peers', '-o', 'json', '--config', file], NOBODY)
  assert.equal(
    stderr,
    `kubespan: warning: ${file}: cannot be read: permission denied (EACCES); the daemon is asked on ${USUAL} all the same\n`,
  )
  assert.deepEqual(JSON.parse(stdout), JSON.parse(JSON.stringify(daemonView().peers)))
  assert.equal(status, 0)
})

test('a run directory that can be read out of the file counts, wherever the mistake is', {
  skip,
}, async () => {
  const usual = new FakeDaemon()
  await using _usual = await serveControl(USUAL, usual)
  for (const [name, text] of [
    ['in another document', (run: string) => `${mesh}mtuu: 1\n---\n${node(run)}`],
    ['in the same document', (run: string) => `${mesh}---\n${node(run)}placement: {listenPort: 0}\n`],
    ['no YAML in another document', (run: string) => `${mesh}mtu 1420\n---\n${node(run)}`],
    ['no YAML in the same document', (run: string) => `${mesh}---\n${node(run)}nodename: [a\n`],
  ] as const) {
    const run = join(directory, name.replaceAll(' ', '-'))
    mkdirSync(run)
    const daemon = new WillingDaemon()
    await using _server = await serveControl(join(run, 'kubespan.sock'), daemon)
    const { status, stderr } = await kubespan(['down', '--config', write('custom.yaml', text(run))])
    assert.match(stderr, /^kubespan: warning: [^\n]*custom\.yaml:\d+: [^\n]*\n$/, name)
    assert.equal(status, 0, name)
    assert.deepEqual(daemon.asked, ['down'], name)
  }
  assert.deepEqual(usual.asked, [], 'nobody else was told to go down')
})

test('where no daemon runs, both are told, and the status is that of a bad configuration', {
  skip,
}, async () => {
  for (const command of ['status', 'leave']) {
    const { status, stderr } = await kubespan([command, '--config', bad])
    assert.match(stderr, /bad\.yaml:4: mtu: must be at least 1280/)
    assert.equal(status, 2, command)
  }
  const { stderr } = await kubespan(['status', '--config', bad])
  assert.match(stderr, /no kubespan daemon answers on \/run\/kubespan\/kubespan\.sock/)
})

test('what is wrong is said once where no daemon runs, with the command that says all of it', {
  skip,
}, async () => {
  const two = write('two.yaml', `${mesh}mtu: 12\nmtuu: 1\n`)
  for (const command of ['leave', 'down', 'reset-identity']) {
    const { status, stderr } = await kubespan([command, '--config', two])
    const [warning, problem, ...more] = stderr.trimEnd().split('\n')
    assert.deepEqual(more, [], command)
    assert.match(warning ?? '', /two\.yaml:4: mtu: must be at least 1280 \(and 1 more/)
    assert.equal(
      problem,
      `kubespan: no kubespan daemon answers on ${USUAL}, and without one it takes a configuration that can be used: kubespan config validate ${two}`,
    )
    assert.equal(status, 2, command)
  }
})

test('a named file that is not there is a slip: no other daemon is asked', { skip }, async () => {
  const daemon = new WillingDaemon()
  await using _server = await serveControl(USUAL, daemon)
  const { status, stderr } = await kubespan(['down', '--config', join(directory, 'absent.yaml')])
  assert.match(stderr, /there is no such file/)
  assert.equal(status, 2)
  assert.deepEqual(daemon.asked, [])
})
