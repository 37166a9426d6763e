import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cleanUp } from '../../kubespan/apply/cleanup.ts'
import { createHost, type Host } from '../../kubespan/host/host.ts'
import { watchHost } from '../../kubespan/sources/host-monitor.ts'
import { systemClock } from '../../shared/clock.ts'
import { desiredOf, peerOf, peersOf, placementOf, SECRETS } from '../support/desired-states.ts'
import { DRIFTS } from '../support/drifts.ts'
import { isLook } from '../support/fake-host.ts'
import { bringInLine, HOST_CASES, type Site } from '../support/host-cases.ts'
import { patient } from '../support/patience.ts'
import { enterPrivateHost, killExactly, whyNoPrivateHost } from '../support/private-host.ts'

/** The cases of the unit tests once more, with the real tools, in namespaces of this file's own. */
const skip = whyNoPrivateHost(['ip', 'nft', 'wg', 'wireguard-go'])
if (skip === undefined) enterPrivateHost(fileURLToPath(import.meta.url))

/** Why the cases of a WireGuard that is a process are not run; undefined when they are. */
function whyNoUserspace(): string | undefined {
  const { status } = spawnSync('ip', ['link', 'add', 'probe', 'type', 'wireguard'], { stdio: 'ignore' })
  if (status !== 0) return undefined
  spawnSync('ip', ['link', 'del', 'probe'])
  return 'this kernel has WireGuard itself: there is no process to kill'
}
const skipUserspace = skip ?? whyNoUserspace()

let directory = ''
let host: Host
const writes: string[] = []

/** Calls that only look, as the tools are told to. */
const READS = /^(ip (-\S+ )*\S+ show\b|nft -j |wg show )/

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openspan-integration-'))
  const real = createHost({ clock: systemClock, runDirectory: directory, timeout: patient(30_000) })
  host = {
    ...real,
    run(tool, args, input) {
      const call = `${tool} ${args.join(' ')}`
      if (!READS.test(call) && !isLook(args, input)) writes.push(call)
      return real.run(tool, args, input)
    },
    spawnDetached(tool, args, logName) {
      writes.push(`${tool} ${args.join(' ')}`)
      return real.spawnDetached(tool, args, logName)
    },
  }
})
after(() => rm(directory, { recursive: true, force: true }))

/** Each case begins with nothing but `lo`. */
afterEach(async () => {
  await cleanUp(host, placementOf())
  await host.run('nft', ['flush', 'ruleset'])
  for (const link of ['other', 'kubespan']) await host.run('ip', ['link', 'del', 'dev', link]).catch(() => '')
  for (const family of ['-4', '-6']) {
    await host.run('ip', [family, 'rule', 'flush'])
    for (const [table, priority] of [
      ['main', '32766'],
      ['local', '0'],
    ] as const)
      await host.run('ip', [family, 'rule', 'add', 'priority', priority, 'table', table]).catch(() => '')
    await host.run('ip', [family, 'route', 'flush', 'table', '180']).catch(() => '')
  }
  for (const path of [
    'ipv4/conf/all/rp_filter',
    'ipv4/conf/default/rp_filter',
    'ipv6/conf/default/disable_ipv6',
  ])
    await host.writeSetting(path, '0')
})

const site: Site = {
  get host() {
    return host
  },
  writes,
  async crash(linkName) {
    killExactly('wireguard-go', '-f', linkName)
    const deadline = performance.now() + patient(5_000)
    while (performance.now() < deadline) {
      const links = await host.run('ip', ['-json', 'link', 'show'])
      if (!links.includes(`"${linkName}"`)) return
    }
    assert.fail('the link outlived its process')
  },
}

for (const { name, isOfUserspace, run } of HOST_CASES)
  test(name, { skip: (isOfUserspace ? skipUserspace : skip) ?? false }, () => run(site))

test('a thousand peers', { skip: skip ?? false }, async (t) => {
  const milliseconds = async (work: () => Promise<unknown>): Promise<number> => {
    const startedAt = performance.now()
    await work()
    return Math.round(performance.now() - startedAt)
  }
  const peers = peersOf(1000)
  let all = Number.POSITIVE_INFINITY
  // A busy machine may hold up one try.
  for (let tries = 0; tries < 3 && all >= patient(1000); tries += 1) {
    await bringInLine(host, desiredOf([]))
    const callsAtFirst = writes.length
    all = await milliseconds(() => bringInLine(host, desiredOf(peers)))
    assert.ok(writes.length - callsAtFirst <= 4, 'all at once, whatever their number')
  }
  const callsBefore = writes.length
  const nothing = await milliseconds(async () =>
    assert.equal((await bringInLine(host, desiredOf(peers))).count, 0),
  )
  assert.equal(writes.length, callsBefore)
  const cpu = process.cpuUsage()
  const changed = [...peers.slice(1), peerOf(2000)]
  const one = await milliseconds(() => bringInLine(host, desiredOf(changed)))
  const { user, system } = process.cpuUsage(cpu)
  const none = await milliseconds(() => bringInLine(host, desiredOf([])))
  t.diagnostic(
    `1000 peers: all ${all} ms, nothing to do ${nothing} ms, one replaced ${one} ms ` +
      `(own CPU ${Math.round((user + system) / 1000)} ms), all removed ${none} ms`,
  )
  assert.ok(all < patient(1000), `${all} ms`)
})

test('what others do to links, addresses, rules, routes and tables is heard at once', { skip }, async () => {
  const desired = desiredOf(peersOf(3))
  await bringInLine(host, desired)
  // What our own tools do is no news.
  const stranger = createHost({ clock: systemClock, runDirectory: directory })
  const stop = new AbortController()
  let wakes = 0
  const watching = watchHost(
    {
      host,
      placement: () => placementOf(),
      onChange: () => {
        wakes += 1
      },
      onFailure: (error) => assert.fail(String(error)),
    },
    stop.signal,
  )
  try {
    await quiet(() => wakes)
    for (const [name, drift] of Object.entries(DRIFTS)) {
      // Of what happens inside WireGuard the kernel tells nobody: the next look finds it.
      if (/peer|WireGuard|port|key/.test(name)) continue
      const before = wakes
      await drift(stranger)
      const deadline = performance.now() + patient(2_000)
      while (wakes === before && performance.now() < deadline) await sleep(5)
      assert.ok(wakes > before, name)
      await bringInLine(host, desired)
      await quiet(() => wakes)
    }
  } finally {
    stop.abort()
    await watching
  }
})

/** Waits until a number stays the same for longer than wakes are paced. */
async function quiet(read: () => number): Promise<void> {
  for (let last = -1; last !== read(); await sleep(280)) last = read()
}

test('nothing secret is in any argument', { skip: skip ?? false }, () => {
  const said = writes.join('\n')
  assert.ok(said.length > 0)
  for (const secret of [SECRETS.privateKey, SECRETS.presharedKey]) assert.ok(!said.includes(secret))
})
