import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonView } from '../../kubespan/model/daemon-view.ts'
import { INTERNET_V4 } from '../lab/attachment.ts'
import { Lab } from '../lab/lab.ts'
import { Mesh } from '../lab/mesh.ts'
import { lan, publicHost, topology } from '../lab/topology.ts'
import { addLanV6, echoesInClear, knock, LAN_V6, watchEchoes } from './in-clear.ts'
import {
  afterPeriod,
  assertNothingInClear,
  assertReaches,
  eventually,
  FAST,
  PATIENCE_MS,
  skip,
  ulaOf,
} from './story.ts'

/** What the daemon says at once of what somebody else did. */
const TOLD_WITHIN_MS = 1_000

interface Stranger {
  readonly name: string
  /** Shell lines; `$f` is the family, `$own`, `$lan`, `$wan` and `$gateway` are addresses of it. */
  readonly does: string
  readonly undoes: string
  /** What is told of it, once for each family; undefined: it is in nobody's way. */
  readonly told?: RegExp
}

const STRANGERS: readonly Stranger[] = [
  {
    name: 'the rules of a VPN',
    does: `ip $f rule add pref 100 lookup main suppress_prefixlength 0
      ip $f rule add pref 110 not fwmark 0x1bd00 lookup 7120
      ip $f route add default via $gateway dev eth0 table 7120`,
    undoes: 'ip $f rule del pref 100; ip $f rule del pref 110; ip $f route flush table 7120',
    told: /"100: lookup main suppress_prefixlength 0 |"110: not fwmark 0x1bd00 lookup 7120 /,
  },
  {
    name: 'a rule for the own address, and then a route for it',
    does: `ip $f rule add pref 10001 from $own lookup 10001
      ip $f rule add pref 10002 from $ownlan lookup 10001
      sleep 0.4
      ip $f route add default via $gateway dev eth0 table 10001
      ip $f route add $lan dev eth1 table 10001`,
    undoes: 'ip $f rule del pref 10001; ip $f rule del pref 10002; ip $f route flush table 10001',
    told: /"10001: from \S+ lookup 10001 |"10002: from \S+ lookup 10001 /,
  },
  {
    name: 'a rule for the destination',
    does: 'ip $f rule add pref 200 to $lan lookup main; ip $f rule add pref 201 to $wan lookup main',
    undoes: 'ip $f rule del pref 200; ip $f rule del pref 201',
    told: /"20[01]: to \S+ lookup main /,
  },
  {
    name: 'a rule for what this host itself sends',
    does: 'ip $f rule add pref 300 iif lo lookup main',
    undoes: 'ip $f rule del pref 300',
    told: /"300: iif lo lookup main /,
  },
  {
    name: 'a rule for a user',
    does: 'ip $f rule add pref 301 uidrange 0-0 lookup main',
    undoes: 'ip $f rule del pref 301',
    told: /"301: uidrange 0-0 lookup main /,
  },
  {
    name: 'a rule that jumps over ours',
    does: 'ip $f rule add pref 32600 lookup main; ip $f rule add pref 302 goto 32600',
    undoes: 'ip $f rule del pref 302; ip $f rule del pref 32600',
    told: /"302: goto 32600 /,
  },
  {
    name: 'a rule that refuses',
    does: 'ip $f rule add pref 303 fwmark 0x40/0x40 prohibit; ip $f rule add pref 304 to $wan fwmark 0x40/0x60 blackhole',
    undoes: 'ip $f rule del pref 303; ip $f rule del pref 304',
    told: /"303: fwmark 0x40\/0x40 prohibit |"304: to \S+ fwmark 0x40\/0x60 blackhole /,
  },
  {
    name: 'a rule that refuses before there is a mark',
    does: 'ip $f rule add pref 305 to $lan unreachable',
    undoes: ':',
    told: /"305: to \S+ unreachable /,
  },
  {
    name: 'a rule below which there is no number',
    does: 'ip $f rule add pref 1 lookup main',
    undoes: 'ip $f rule del pref 32501',
    told: /"1: lookup main /,
  },
  {
    name: 'a route in our table',
    does: 'ip $f route add $wan via $gateway dev eth0 table 180',
    undoes: ':',
    told: /somebody else is in our table 180/,
  },
  {
    name: 'rules that are in nobody’s way',
    does: `ip $f rule add pref 400 fwmark 0x20/0x60 lookup main
      ip $f rule add pref 401 lookup 7121
      ip $f route add throw default table 7121
      ip $f rule add pref 402 to $nobody lookup main
      ip $f rule add pref 403 iif nowhere lookup main
      ip $f rule add pref 404 not fwmark 0x40/0x60 lookup main`,
    undoes: `for n in 400 401 402 403 404; do ip $f rule del pref $n; done; ip $f route flush table 7121`,
  },
]

test('whatever rules and routes others have, nothing for a member leaves in clear, and they are told of', {
  skip,
}, async (t) => {
  const hosts = ['a', 'b'].map((name) => publicHost(name))
  await using lab = await Lab.create(topology({ hosts, lans: [lan('home', 'a', 'b')] }), {
    prefix: 'e2estrange',
  })
  const [a, b] = [lab.host('a'), lab.host('b')]
  await addLanV6(a, b)
  await watchEchoes(b)
  // Everything is noticed by itself: nothing is due for ten minutes.
  await using mesh = new Mesh(lab, { timing: { ...FAST, reconcileEvery: '10m' } })
  await mesh.startDiscovery()
  for (const host of lab.hosts) mesh.startDaemon(host)
  await mesh.full(PATIENCE_MS)
  const lanOf = (host: typeof a): string => host.lans.get('home')?.v4?.address ?? ''
  const goals = [lanOf(b), LAN_V6[1], b.v4 ?? '', b.v6 ?? '', await ulaOf(mesh, b)]
  await assertReaches(a, goals)

  const families = [
    `f=-4 own=${a.v4} ownlan=${lanOf(a)} lan=${lanOf(b)} wan=${b.v4} gateway=${a.uplink.v4?.gateway} nobody=203.0.113.9`,
    `f=-6 own=${a.v6} ownlan=${LAN_V6[0]} lan=${LAN_V6[1]} wan=${b.v6} gateway=${a.uplink.v6?.gateway} nobody=2001:db8:fff::9`,
  ]
  const inBoth = (script: string) => a.sh(families.map((family) => `${family}\n${script}`).join('\n'))
  const follow = async (advice: string): Promise<void> => {
    const [, rulePriority] =
      /^placement: \{rulePriority: (\d+)\} in a NodeConfig, then kubespan reload$/.exec(advice) ?? []
    if (rulePriority === undefined) await a.sh(advice)
    else {
      mesh.writeConfig(a, { NodeConfig: { placement: { rulePriority: Number(rulePriority) } } })
      await mesh.kubespan(a, ['reload'])
    }
  }
  const adviceOf = ({ warnings }: DaemonView): readonly string[] => [
    ...new Set(warnings.flatMap((warning) => warning.split('; to mend it: ')[1] ?? [])),
  ]

  for (const { name, does, undoes, told } of STRANGERS)
    await t.test(name, async () => {
      await inBoth(does)
      const isTold = ({ detours }: DaemonView): boolean =>
        told === undefined
          ? detours.length === 0
          : ['IPv4', 'IPv6'].every((family) =>
              detours.some((text) => told.test(text) && text.includes(family)),
            )
      const view =
        told === undefined ? await afterRules(mesh, a) : await mesh.until(a, isTold, TOLD_WITHIN_MS)
      assert.ok(isTold(view), view.detours.join('\n'))
      await knock(a, goals)
      assert.equal(await echoesInClear(b), 0)
      for (const advice of adviceOf(view)) await follow(advice)
      await mesh.until(a, ({ detours }) => detours.length === 0, PATIENCE_MS)
      await assertReaches(a, goals)
      assert.equal(await echoesInClear(b), 0)
      await inBoth(undoes)
      mesh.writeConfig(a)
      await mesh.kubespan(a, ['reload'])
    })

  await t.test('status, log, metrics, doctor and explain say the same', async () => {
    const [lanOfB = ''] = goals
    await a.sh(
      `ip rule add pref 500 from ${lanOf(a)} lookup 10001; ip route add ${lanOfB} dev eth1 table 10001`,
    )
    await mesh.until(a, ({ detours }) => detours.length === 1, TOLD_WITHIN_MS)
    const rule = `rule "500: from ${lanOf(a)} lookup 10001 (IPv4)" is asked before ours`
    const { stdout: status } = await mesh.kubespan(a, ['status'])
    assert.ok(status.includes(`! ${rule}`), status)
    assert.match(status, /rulePriority: 490/)
    const doctor = await mesh.kubespan(a, ['doctor'], { check: false })
    assert.match(doctor.stdout, /^error +rules +rule "500: from /m)
    assert.equal(mesh.daemon(a).output.split('rule \\"500: from ').length - 1, 1, 'logged once')
    const { stdout: explained } = await mesh.kubespan(a, ['explain', lanOfB])
    assert.match(explained, /is black-holed: a rule or route of somebody else leads it out of eth1/)
    assert.ok(explained.includes(`from ${lanOf(a)} mark 0x40`), explained)
    await knock(a, [lanOfB])
    // Counters are read when the host is looked at.
    await a.sh('ip rule add pref 501 to 203.0.113.9 lookup 10001; ip rule del pref 501')
    const metrics = `const r = await fetch('http://127.0.0.1:9173/metrics'); console.log(await r.text())`
    await eventually(
      'metrics count it',
      async () => (await a.exec(process.execPath, ['--input-type=module', '-e', metrics])).stdout,
      (text) => /^kubespan_detours 1$/m.test(text) && /^kubespan_stray_packets_total [1-9]/m.test(text),
    )
    await a.sh('ip rule del pref 500; ip route flush table 10001')
    await mesh.until(a, ({ detours }) => detours.length === 0, PATIENCE_MS)
    await assertReaches(a, [...goals, INTERNET_V4])
    await assertNothingInClear(lab)
  })
})

/** After the daemon has looked at what its monitor told it of. */
const afterRules = (mesh: Mesh, host: Parameters<typeof afterPeriod>[1]): Promise<DaemonView> =>
  afterPeriod(mesh, host, 0)
