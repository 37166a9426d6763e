import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { INTERNET_V4 } from '../lab/attachment.ts'
import type { LabHost } from '../lab/box.ts'
import { DISCOVERY_PORT, Lab } from '../lab/lab.ts'
import { isUp, Mesh } from '../lab/mesh.ts'
import { pingAll } from '../lab/ping.ts'
import { behind, nat, publicHost, topology } from '../lab/topology.ts'
import { afterPeriod, assertReaches, eventually, FAST, PATIENCE_MS, skip } from './story.ts'

const SERVICE = 'discovery.lab'
/** Answers every question for an address with that of the service, and says so. */
const NAME_SERVER = `
  const socket = require('node:dgram').createSocket('udp4')
  socket.on('message', (question, from) => {
    const end = question.indexOf(0, 12) + 5
    const isA = question.readUInt16BE(end - 4) === 1
    const head = Buffer.from(question.subarray(0, end))
    head.writeUInt16BE(0x8180, 2)
    head.writeUInt16BE(isA ? 1 : 0, 6)
    head.writeUInt32BE(0, 8)
    const answer = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ${INTERNET_V4.replaceAll('.', ', ')}])
    socket.send(isA ? Buffer.concat([head, answer]) : head, from.port, from.address)
    console.log('asked')
  })
  socket.bind(53, '0.0.0.0', () => console.log('ready'))`

/** Another address of the host, on a bridge that is up, under a name that is published. */
const bridge = (host: LabHost, address: string) =>
  host.sh(
    `ip link add guests0 type bridge && ip link add guest type veth peer name guest0
     ip link set guest master guests0 && ip addr add ${address}/24 dev guests0
     for link in guest guest0 guests0; do ip link set $link up; done`,
  )

test('what is local to a host stays local, whoever else claims it', { skip }, async (t) => {
  const hosts = [publicHost('c'), behind('home', 'b'), behind('home', 'printer')]
  await using lab = await Lab.create(topology({ hosts, nats: [nat('home', 'port-restricted')] }), {
    prefix: 'e2elocal',
  })
  const [c, b, printer] = ['c', 'b', 'printer'].map((name) => lab.host(name))
  assert.ok(c && b && printer)
  const gateway = b.uplink.v4?.gateway ?? ''
  const router = lab.box('home')
  await router.exec('nft', ['-f', '-'], {
    input: `table inet story {
      counter echoes { }
      chain arriving {
        type filter hook prerouting priority -310
        iifname "lan0" ip daddr ${gateway} icmp type echo-request counter name echoes
      }
    }`,
  })
  const echoes = async (): Promise<number> =>
    Number(
      /packets (\d+)/.exec(
        (await router.exec('nft', ['list', 'counter', 'inet', 'story', 'echoes'])).stdout,
      )?.[1],
    )
  await using names = router.spawn(process.execPath, ['-e', NAME_SERVER], { name: 'names' })
  await names.waitFor(/ready/)
  const resolv = join(b.directory, 'resolv.conf')
  writeFileSync(resolv, `nameserver ${gateway}\n`)
  const setup = `mount --bind ${resolv} /etc/resolv.conf`
  await bridge(c, gateway)

  await using mesh = new Mesh(lab, {
    timing: FAST,
    services: (host) => (host === b ? [`http://${SERVICE}:${DISCOVERY_PORT}`] : undefined),
  })
  await mesh.startDiscovery()
  mesh.startDaemon(c)
  mesh.startDaemon(b, [], { setup })
  await mesh.until(b, (view) => isUp(view, 'c'), PATIENCE_MS)
  await mesh.until(c, (view) => isUp(view, 'b'), PATIENCE_MS)

  await t.test('the gateway is reached where it is, and what c claims is told', async () => {
    const view = await mesh.until(b, ({ local = [] }) => local.length > 0, PATIENCE_MS)
    assert.deepEqual(view.local, [
      {
        prefix: `${gateway}/32`,
        what: 'gateway and name server of eth0',
        claimed: [{ prefix: `${gateway}/32`, labels: ['c'] }],
      },
    ])
    const line = `c claims ${gateway}/32, which is local to this host: gateway and name server of eth0`
    assert.ok(
      view.warnings.some((warning) => warning.startsWith(line)),
      view.warnings.join('\n'),
    )
    const before = await echoes()
    for (let ping = 0; ping < 5; ping += 1) await assertReaches(b, [gateway])
    assert.ok((await echoes()) >= before + 5)
    const { stdout } = await mesh.kubespan(b, ['explain', gateway])
    assert.match(stdout, /local to this host: gateway and name server of eth0 \(also claimed by c\)/)
    const doctor = await mesh.kubespan(b, ['doctor'], { check: false })
    assert.ok(doctor.stdout.includes(line), doctor.stdout)
    await assertReaches(b, [c.v4 ?? ''])
  })

  await t.test('what c sends from such an address is answered nowhere', async () => {
    const before = await echoes()
    const { code } = await c.exec('ping', ['-c', '3', '-i', '0.2', '-W', '1', '-I', gateway, b.v4 ?? ''], {
      check: false,
    })
    assert.notEqual(code, 0)
    assert.equal(await echoes(), before)
  })

  await t.test('a daemon that starts anew asks its name server and gets to the service', async () => {
    await mesh.daemon(b).stop('SIGKILL')
    const asked = names.output.split('asked').length
    mesh.startDaemon(b, [], { setup })
    const view = await mesh.until(b, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
    assert.ok(names.output.split('asked').length > asked)
    await mesh.until(b, (seen) => isUp(seen, 'c'), PATIENCE_MS)
    assert.equal(view.services[0]?.problem, undefined)
  })

  await t.test(
    'so it does with nothing remembered, and with what an older one left in its table',
    async () => {
      await mesh.daemon(b).stop('SIGKILL')
      await b.sh(
        `rm -f ${b.stateDirectory}/affiliates.cache; nft add element inet openspan routed_v4 '{ ${gateway} }'`,
      )
      mesh.startDaemon(b, [], { setup })
      await mesh.until(b, ({ services }) => services[0]?.connected === true, PATIENCE_MS)
      await mesh.until(b, (view) => isUp(view, 'c'), PATIENCE_MS)
      await assertReaches(b, [gateway])
    },
  )

  await t.test('a network that somebody claims takes nobody off a link', async () => {
    const network = `${gateway.replace(/\.0\.1$/, '')}.0.0/16`
    for (const podCIDRs of [[network], ['0.0.0.0/0']]) {
      mesh.writeConfig(c, { KubeSpanConfig: { advertiseKubernetesNetworks: true }, NodeConfig: { podCIDRs } })
      await mesh.control(c).reload()
      await mesh.until(
        b,
        ({ peers }) => peers.some(({ allowedIps }) => allowedIps.some((prefix) => prefix === podCIDRs[0])),
        PATIENCE_MS,
      )
      const view = await afterPeriod(mesh, b)
      await assertReaches(b, [gateway, printer.v4 ?? ''])
      assert.ok(view.local?.some(({ what }) => what === 'on link eth0'))
      // What is in it and not on the link goes to who claims it: here, to nobody who answers.
      const [far] = await pingAll(b, [gateway.replace(/\.0\.1$/, '.7.7')])
      assert.equal(far?.roundTripMilliseconds, undefined)
    }
    await eventually(
      'the service stays',
      () => mesh.control(b).view(),
      ({ services }) => services[0]?.connected === true,
    )
  })
})
