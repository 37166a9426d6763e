import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Finding } from '../../kubespan/model/finding.ts'
import type { LabHost } from '../lab/box.ts'
import { Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, eventually, FAST, PATIENCE_MS, skip, ulaOf } from './story.ts'

const REPOSITORY = join(import.meta.dirname, '../..')

/** Others than root may pass through to the files of the host. */
const letIn = ({ directory }: LabHost): string => `chmod 711 "${dirname(directory)}" "${directory}"`

test('what the daemon does can be seen', { skip }, async (t) => {
  const hosts = ['a', 'b', 'c'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts }), { prefix: 'e2esee' })
  const [a, b, c] = ['a', 'b', 'c'].map((name) => lab.host(name))
  assert.ok(a && b && c)
  await using mesh = new Mesh(lab, { timing: { ...FAST, graceAfterDeletion: '1s' } })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)

  const say = async (host: LabHost, ...args: string[]) => await mesh.kubespan(host, args, { check: false })
  const told = async (host: LabHost, ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await say(host, ...args)
    assert.equal(code, 0, stderr)
    return stdout
  }

  await t.test('status, peers and resources, in every form', async () => {
    assert.match(await told(a, 'status'), /^a {2}fd[\s\S]*2 peers: 2 up\n[\s\S]*\nlab +\S+ +connected/)
    const peers = JSON.parse(await told(a, 'peers', '-o', 'json')) as { label: string }[]
    assert.deepEqual(peers.map(({ label }) => label).sort(), ['b', 'c'])
    const kinds = (await told(a, 'get', 'rd')).trimEnd().split('\n').slice(1)
    assert.ok(kinds.length > 15)
    for (const format of ['table', 'json', 'yaml'])
      assert.match(await told(a, 'get', 'kubespanpeerstatuses', '-o', format), /\bup\b/)
    assert.match(await told(a, 'get', 'links'), /LinkStatus +kubespan/)
    assert.match(await told(a, 'get', 'rules'), /inet6\/32500/)
    assert.match(await told(a, 'get', 'chains', 'openspan/kubespan_outgoing', '-o', 'yaml'), /hook: output/)
    assert.deepEqual(
      [
        (await say(a, 'get', 'nonsense')).code,
        (await say(a, 'get')).code,
        (await say(a, 'get', 'links', 'eth9')).code,
      ],
      [2, 2, 1],
    )
  })

  await t.test('a watch tells what changes', async () => {
    const watch = a.spawn(
      process.execPath,
      [join(REPOSITORY, 'kubespan/main.ts'), 'get', 'sets', '--watch', '--config', mesh.configFile(a)],
      { name: 'watch' },
    )
    await eventually(
      'the sets are there',
      async () => watch.output,
      (text) => text.includes('openspan/routed_v4'),
    )
    await mesh.kubespan(b, ['down'])
    await eventually(
      'a set changed',
      async () => watch.output,
      (text) => /^a +~ +network +NfTablesSet/m.test(text),
    )
    await watch.stop()
    mesh.startDaemon(b)
    await mesh.full(PATIENCE_MS)
  })

  await t.test('explain says where packets go, as the kernel sees it', async () => {
    const to = async (target: string): Promise<string> =>
      (await told(a, 'explain', target)).split('\n')[0] ?? ''
    assert.equal(await to(b.v4 ?? ''), `${b.v4} goes through the tunnel to b`)
    assert.equal(await to(await ulaOf(mesh, c)), `${await ulaOf(mesh, c)} goes through the tunnel to c`)
    assert.match(await to(a.v4 ?? ''), /is an address of this host itself/)
    assert.match(await to('198.51.100.77'), /goes natively out of \S+ because no peer owns it/)
    const { services } = await mesh.control(a).view()
    assert.match(
      await to(services[0]?.endpoint ?? ''),
      /bypasses the tunnel .* it is the discovery service lab/,
    )
    assert.match(await to('b'), /^b is up$/)
    assert.match((await say(a, 'explain', 'nobody')).stderr, /no peer is called nobody/)
    assert.match((await say(a, 'explain', '10.0.0.0/8')).stderr, /say one address of 10\.0\.0\.0\/8/)
    assert.match((await say(a, 'explain', 'fe80::1%eth0')).stderr, /of one link only/)
    assert.equal((await say(a, 'explain')).code, 2)
  })

  await t.test('doctor finds nothing on a healthy host, and what is broken on others', async () => {
    const { code, stdout } = await say(a, 'doctor', '-o', 'json')
    const findings = JSON.parse(stdout) as Finding[]
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error' || severity === 'warning'),
      [],
    )
    assert.equal(code, 0)
    assert.ok(findings.some(({ check, says }) => check === 'discovery' && /answers \(IPv4 in/.test(says)))
    await c.sh(`
      sysctl -qw net.ipv4.conf.all.rp_filter=1
      ip rule add priority 77 fwmark 0x20/0x20 table 7
      chmod 644 "${mesh.configFile(c)}"`)
    const broken = await say(c, 'doctor')
    assert.equal(broken.code, 1)
    assert.match(broken.stdout, /^error +\S+ +net\.ipv4\.conf\.all\.rp_filter is 1/m)
    assert.match(broken.stdout, /^error +marks +rule "77: fwmark 0x20\/0x20 lookup 7 \(IPv4\)"/m)
    assert.match(broken.stdout, /-> chmod o-rwx/)
    await c.sh(`
      sysctl -qw net.ipv4.conf.all.rp_filter=0
      ip rule del priority 77
      chmod 600 "${mesh.configFile(c)}"`)
  })

  await t.test('metrics count what somebody else breaks', async () => {
    const get = async (path: string): Promise<string> => {
      const script = `const r = await fetch('http://127.0.0.1:9173${path}'); console.log(r.status); console.log(await r.text())`
      return (await a.exec(process.execPath, ['--input-type=module', '-e', script])).stdout
    }
    assert.match(await get('/healthz'), /^200\nok/)
    assert.match(await get('/readyz'), /^200\nready/)
    const metrics = await get('/metrics')
    assert.match(metrics, /^kubespan_peers\{state="up"\} 2$/m)
    assert.match(metrics, /^kubespan_discovery_connected\{service="lab"\} 1$/m)
    const repairs = (text: string): number => Number(/^kubespan_drift_repairs_total (\d+)$/m.exec(text)?.[1])
    await a.exec('nft', ['flush', 'chain', 'inet', 'openspan', 'kubespan_outgoing'])
    await eventually(
      'it is repaired',
      () => get('/metrics'),
      (text) => repairs(text) > repairs(metrics),
    )
  })

  await t.test('a bug report holds no secret', async () => {
    const file = join(a.directory, 'report.tar.gz')
    await told(a, 'bugreport', '--file', file)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const text = gunzipSync(readFileSync(file)).toString('latin1')
    for (const part of ['status.txt', 'doctor.txt', 'view.json', 'nft-table.txt', 'wg-show.txt'])
      assert.ok(text.includes(part), part)
    const identity = readFileSync(join(a.stateDirectory, 'kubespan-identity.yaml'), 'utf8')
    const privateKey = /^privateKey: (\S+)$/m.exec(identity)?.[1] ?? ''
    assert.equal(Buffer.from(privateKey, 'base64').length, 32)
    for (const secret of [mesh.cluster.clusterId, mesh.cluster.clusterSecret, privateKey])
      assert.ok(!text.includes(secret))
    assert.equal((await say(a, 'bugreport', '--file', file)).code, 1, 'nothing is overwritten')
  })

  await t.test('without rights and without a daemon it is said in one line', async () => {
    const asNobody = async (...args: string[]) =>
      await a.exec(
        'setpriv',
        [
          '--reuid=65534',
          '--regid=65534',
          '--clear-groups',
          process.execPath,
          join(REPOSITORY, 'kubespan/main.ts'),
          ...args,
        ],
        { check: false },
      )
    const socket = '/run/kubespan/kubespan.sock'
    assert.match((await asNobody('status', '--socket', socket)).stderr, /^kubespan: .*permission denied.*\n$/)
    const file = join(a.directory, 'open.yaml')
    await a.sh(`cp "${mesh.configFile(a)}" "${file}"; chmod 644 "${file}"; ${letIn(a)}`)
    const refused = await asNobody('run', '--config', file)
    assert.deepEqual([refused.code, refused.stderr.split('\n').length], [1, 2])
    assert.match(refused.stderr, /^kubespan: CAP_NET_ADMIN is missing: run as root/)
    await mesh.daemon(a).stop()
    assert.match((await say(a, 'status')).stderr, /^kubespan: no kubespan daemon answers on .*\n$/)
    assert.match(
      await told(a, 'explain', b.v4 ?? ''),
      /goes through the tunnel to \S+=\n[\s\S]*no daemon runs/,
    )
    await a.exec('ip', ['link', 'del', 'dev', 'kubespan'])
    assert.match(await told(a, 'explain', b.v4 ?? ''), /is black-holed: .* link kubespan is down or gone/)
    assert.equal((await say(a, 'explain', 'b')).code, 1)
    assert.match(await told(a, 'doctor'), /^info +daemon +no daemon runs here/m)
    mesh.startDaemon(a)
    await mesh.full(PATIENCE_MS)
  })

  await t.test('a peer that is down is a black hole, and the reason is said', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    await b.exec('ip', ['link', 'del', 'dev', 'kubespan'])
    const ula = (await mesh.control(a).view()).peers.find(({ label }) => label === 'b')?.address ?? ''
    // Silence is only noticed where somebody speaks.
    const pinging = a.spawn('ping', ['-i', '0.2', ula], { name: 'ping' })
    await mesh.until(a, (view) => !isUp(view, 'b'), PATIENCE_MS)
    await pinging.stop()
    const text = await told(a, 'explain', b.v4 ?? '')
    assert.match(text, / is black-holed because b is (down|not up yet)/)
    assert.match(text, /note: allowDownPeerBypass would let it leave in clear/)
  })

  await t.test('an ordinary user with CAP_NET_ADMIN can run the daemon', async () => {
    await mesh.kubespan(c, ['down'])
    // What udev and the unit of wireguard-go see to on a real machine.
    const script = `
      mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun
      ${letIn(c)}
      chown -R 65534:65534 "${c.directory}"
      exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
        --inh-caps=+net_admin --ambient-caps=+net_admin --bounding-set=-all,+net_admin "$@"`
    const daemon = c.spawn(
      'sh',
      [
        '-c',
        script,
        'sh',
        process.execPath,
        join(REPOSITORY, 'kubespan/main.ts'),
        'run',
        '--config',
        mesh.configFile(c),
      ],
      { name: 'rootless' },
    )
    await eventually(
      `c is in the mesh: ${daemon.output}`,
      () =>
        mesh
          .control(c)
          .view()
          .catch(() => undefined),
      (view) => view !== undefined && isUp(view, 'a'),
    )
    await afterPeriod(mesh, a)
    assert.match(await told(c, 'doctor'), /^ok +daemon /m)
    await mesh.kubespan(c, ['down'])
    assert.deepEqual(await daemon.ended, { code: 0, signal: null })
  })
})
