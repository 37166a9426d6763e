import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, symlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { ownVersion } from '../../shared/version.ts'
import { freePort } from '../support/free-port.ts'
import { onMachine } from '../support/machine.ts'
import { StaleCheckout } from '../support/stale-checkout.ts'

/** Everything starts on a machine whose npm links no Node and whose own Node is too old. */

const END_LIMIT_MS = 15_000

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const scripts: Readonly<Record<string, string>> = manifest.scripts
const version = new RegExp(`v${ownVersion().replace(/^v/, '')}$`, 'm')

/** The least that each npm script can be asked for, and what it answers then. */
const FIRST_STEPS: Readonly<
  Record<string, readonly [args: readonly string[], status: number, says: RegExp]>
> = {
  'discovery-service': [['-version'], 0, version],
  kubespan: [['--version'], 0, version],
  vectors: [['test/vectors'], 0, /\d+ passed, 0 failed/],
  demo: [['--help'], 0, /^usage: /],
  'bench:connect': [['--help'], 0, /^usage: /],
  'bench:daemon': [['--help'], 0, /^usage: /],
  bench: [['--help'], 0, /^usage: /],
  check: [['--version'], 0, /^Version \d/],
  lint: [['--help'], 0, /biome|Usage/i],
  fmt: [['--help'], 0, /biome|Usage/i],
  gen: [[], 0, /^$/],
  'gen:check': [[], 129, /not a git repository/i],
  test: [['no-such-stage'], 2, /no stage named no-such-stage/],
  'test:unit': [['no-such-stage'], 2, /no stage named no-such-stage/],
  verify: [['no-such-stage'], 2, /no stage named no-such-stage/],
}

const isOneLine = (text: string): boolean => /^[^\n]+\n$/.test(text)

test('every npm script hands its process over to the launcher: a signal to npm ends the program', () => {
  for (const [name, script] of Object.entries(scripts))
    assert.match(
      script,
      /^exec (env ([A-Z_]+=\w+ )+)?(bin\/(node|with-node|kubespan|discovery-service)|sh proto\/generate\.sh)\b[^;&|]*$/,
      name,
    )
})

test('every make target is a script that goes through the launcher', () => {
  const recipes = readFileSync('Makefile', 'utf8').matchAll(/^\t@?(.*)$/gm)
  for (const [, command = ''] of recipes) {
    const [, name] = /^npm run -s (\S+)$/.exec(command) ?? []
    if (name !== undefined) assert.ok(scripts[name] !== undefined, command)
    else assert.match(command, /^(sh test\/lab\/install\.sh|rm -rf node_modules coverage)$/)
  }
})

test('without node_modules/.bin/node everything makes its first step', async (t: TestContext) => {
  using checkout = new StaleCheckout()
  const npm = onMachine('npm')
  for (const [name, [args, status, says]] of Object.entries(FIRST_STEPS))
    await t.test(`npm run ${name}`, (t: TestContext) => {
      if (npm === undefined) return t.skip('npm is not on PATH')
      const answer = checkout.run([npm, 'run', '-s', name, '--', ...args])
      assert.equal(answer.status, status, answer.stderr)
      assert.match(`${answer.stdout}${answer.stderr}`, says)
    })
  const programs = {
    'bin/kubespan': '--version',
    'bin/discovery-service': '-version',
    'discovery/start.sh': '-version',
  }
  for (const [program, flag] of Object.entries(programs))
    await t.test(`${program}, from another directory, by way of a link, with any shell`, () => {
      const link = join(checkout.tools, 'a link')
      symlinkSync(join(checkout.path, program), link)
      const ways = [
        [program],
        [link],
        ...['dash', 'bash'].map((shell) => [shell, join(checkout.path, program)]),
      ]
      for (const way of ways) {
        const answer = checkout.run([...way, flag], '/')
        assert.equal(answer.stderr, '')
        assert.match(answer.stdout, version)
      }
      checkout.run(['rm', link])
    })
  await t.test('a test', () => {
    const file = 'test/unit/shared/net/address.test.ts'
    const { status, stdout } = checkout.run(['bin/node', '--test', '--test-isolation=none', file])
    assert.equal(status, 0, stdout)
  })
  await t.test('what the installer installs, from a checkout that nobody may write to', () => {
    // The installer refuses to install what lies in /tmp.
    const script = `
      mount --bind "$1" /mnt && mount -o remount,ro,bind /mnt && DESTDIR=$2 sh /mnt/deploy/systemd/install.sh >&2 &&
      cd / && "$2/usr/local/bin/kubespan" --version && "$2/usr/local/bin/discovery-service" -version`
    const root = join(checkout.tools, 'root')
    const answer = checkout.run(['unshare', '-m', 'sh', '-c', script, 'sh', checkout.path, root])
    assert.equal(answer.status, 0, answer.stderr)
    assert.match(answer.stdout, /^kubespan v.*\ndiscovery-service v.*\n$/)
  })
})

test('before npm ci, one line says so', () => {
  using checkout = new StaleCheckout('none')
  for (const command of [
    ['bin/kubespan', '--version'],
    ['discovery/start.sh', '-version'],
    ['bin/with-node', 'tsc'],
    ['bin/node', 'test/run.ts'],
  ]) {
    const { status, stdout, stderr } = checkout.run(command)
    assert.equal(status, 1)
    assert.equal(stdout, '')
    assert.equal(
      stderr,
      `openspan: the packages it needs are not installed: run "npm ci" in ${checkout.path}\n`,
    )
  }
})

test('without the Node of npm, one on PATH serves that is new enough, and only such a one', () => {
  using checkout = new StaleCheckout('no-node')
  const oldest = /^>=(\d+\.\d+)$/.exec(manifest.engines.node)?.[1]
  assert.ok(oldest !== undefined, 'the launcher reads engines in this form')
  const [major = 0, minor = 0] = oldest.split('.').map(Number)
  for (const enough of [
    `v${oldest}.0`,
    `v${major}.${minor + 90}.1`,
    `v${major + 1}.0.0`,
    'v100.1.2-nightly',
  ]) {
    checkout.machineNode(enough, 'printf "%s\\n" "$@"')
    const { status, stdout } = checkout.run(['bin/kubespan', 'status', '--socket', 'a  b'])
    assert.equal(status, 0, enough)
    assert.equal(stdout, `${checkout.path}/kubespan/main.ts\nstatus\n--socket\na  b\n`)
  }
  for (const old of [`v${major}.${minor - 1}.9`, `v${major - 1}.99.0`, 'v9.99.99', 'v4', 'nonsense']) {
    checkout.machineNode(old, 'echo started')
    const command = ['/usr/bin/env', `PATH=${checkout.tools}`, join(checkout.path, 'bin/kubespan'), 'status']
    const { status, stdout, stderr } = checkout.run(command)
    if (stdout === 'started\n') assert.fail(`${old} was started`)
    assert.equal(status, 1, old)
    assert.ok(isOneLine(stderr), stderr)
    assert.ok(stderr.startsWith(`openspan: Node.js ${oldest} or newer is needed, and `), stderr)
    assert.ok(stderr.endsWith(`run "npm ci" in ${checkout.path}, without --omit=optional\n`), stderr)
  }
})

test('two launchers that find each other on PATH come to an end', () => {
  using one = new StaleCheckout('no-node')
  using other = new StaleCheckout('no-node')
  const path = `${one.path}/bin:${other.path}/bin:${one.tools}`
  const { status, stderr } = one.run(['/usr/bin/env', `PATH=${path}`, 'node', '--version'])
  assert.equal(status, 1)
  assert.ok(isOneLine(stderr), stderr)
})

test('SIGTERM to npm ends the service that it runs', async (t: TestContext) => {
  const npm = onMachine('npm')
  if (npm === undefined) return t.skip('npm is not on PATH')
  using checkout = new StaleCheckout()
  const port = await freePort()
  const flags = ['-landing-addr=', '-metrics-addr=', '-snapshots-enabled=false', '-warm-up=0s']
  const command = ['run', '-s', 'discovery-service', '--', `-addr=127.0.0.1:${port}`, ...flags]
  const service = spawn(npm, command, {
    cwd: checkout.path,
    env: checkout.env,
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  try {
    let said = ''
    for await (const line of createInterface(service.stderr)) {
      said += `${line}\n`
      if (line.includes('discovery service started')) break
    }
    assert.match(said, /discovery service started/)
    service.kill('SIGTERM')
    // Whoever is left would hold the pipe open.
    await once(service, 'close', { signal: AbortSignal.timeout(END_LIMIT_MS) })
    await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' })
  } finally {
    endGroup(service.pid)
  }
})

/** What was started and whatever it started. */
function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {} // all gone
}
