import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkNft } from '../../../../../kubespan/doctor/checks/ground.ts'
import { checkPrograms, judgeTools } from '../../../../../kubespan/doctor/checks/tools.ts'
import { observeStart, type StartWorld } from '../../../../../kubespan/doctor/observe-start.ts'
import { missingForStart } from '../../../../../kubespan/doctor/start.ts'
import { DEBIAN, installCommand, packagesOf } from '../../../../../kubespan/host/packages.ts'
import type { NeededTool, ToolReport } from '../../../../../kubespan/host/tool-reports.ts'
import { facts, settingsOf } from '../../../../support/doctor-facts.ts'
import { FakeDoctorWorld } from '../../../../support/doctor-world.ts'

const report = (stderr: string, change: Partial<ToolReport> = {}): ToolReport => ({
  file: '/usr/sbin/nft',
  unusableFile: undefined,
  answer: { exitCode: 1, stdout: '', stderr },
  ...change,
})
const answered = (stdout: string): ToolReport => report('', { answer: { exitCode: 0, stdout, stderr: '' } })

const ALPINE = packagesOf('NAME="Alpine Linux"\nID=alpine\n')

/** What real tools say, or said, and what is made of it. */
const cases: readonly [string, NeededTool, ToolReport, RegExp | undefined, RegExp?][] = [
  ['iproute2', 'ip', answered('[{"priority":0,"src":"all","table":"255"}]\n'), undefined],
  [
    'the ip of BusyBox',
    'ip',
    report('ip: unrecognized option: json\nBusyBox v1.37.0 (2026-01-01) multi-call binary.', {
      file: '/sbin/ip',
    }),
    /^\/sbin\/ip is BusyBox's ip, which knows no JSON$/,
    /^apk add iproute2$/,
  ],
  [
    'an ip of 2018',
    'ip',
    report('Option "-N" is unknown, try "ip -help".', { file: '/sbin/ip' }),
    /^\/sbin\/ip is too old: iproute2 5\.0/,
    /^apk fix iproute2$/,
  ],
  ['an ip whose rules are no JSON', 'ip', answered('0:\tfrom all lookup local\n'), /is too old/],
  [
    'an nft without JSON',
    'nft',
    report('JSON support not compiled-in'),
    /^\/usr\/sbin\/nft was built without JSON/,
    /^apk fix nftables$/,
  ],
  ['an nft of 2018', 'nft', report("nft: invalid option -- 't'"), /is too old: nftables 0\.9\.3/],
  [
    'a kernel without nf_tables',
    'nft',
    report('netlink: Error: cache initialization failed: Protocol not supported'),
    /^the kernel has no nf_tables$/,
    /^modprobe nf_tables/,
  ],
  [
    'no right to look',
    'nft',
    report('netlink: Error: cache initialization failed: Operation not permitted'),
    undefined,
  ],
  ['an nft that is interrupted', 'nft', report('Interrupted system call'), undefined],
  ['a wg that reads', 'wg', report('Line unrecognized: `…\nConfiguration parsing error'), undefined],
  [
    'a wg that may not read',
    'wg',
    report('fopen: Permission denied', { file: '/usr/bin/wg' }),
    /^\/usr\/bin\/wg may not read/,
    /^aa-complain \/usr\/bin\/wg$/,
  ],
  [
    'a tool that lacks a library',
    'wg',
    report('wg: error while loading shared libraries: libmnl.so.0: cannot open shared object file'),
    /does not run: wg: error while loading/,
    /^apk fix wireguard-tools$/,
  ],
  [
    'a tool that may not be started',
    'wg',
    { file: undefined, unusableFile: '/usr/bin/wg', answer: undefined },
    /^\/usr\/bin\/wg may not be started$/,
    /^chmod a\+rx \/usr\/bin\/wg$/,
  ],
  ['one that did not answer in time', 'nft', report('', { answer: undefined }), undefined],
]
for (const [name, tool, given, says, mend] of cases)
  test(`a tool is judged by what it says: ${name}`, () => {
    const [finding, ...more] = judgeTools({ [tool]: given }, ALPINE)
    assert.deepEqual(more, [])
    if (says === undefined) assert.equal(finding, undefined)
    else assert.match(finding?.says ?? '', says)
    if (mend !== undefined) assert.match(finding?.mend ?? '', mend)
  })

test('packages go by the names and the manager of the system', () => {
  for (const [release, command] of [
    ['ID=debian', 'apt-get install iproute2 wireguard-tools'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'apt-get install iproute2 wireguard-tools'],
    ['ID="fedora"', 'dnf install iproute wireguard-tools'],
    ['ID="rocky"\nID_LIKE="rhel centos fedora"', 'dnf install iproute wireguard-tools'],
    ['ID=alpine', 'apk add iproute2 wireguard-tools'],
    ['ID="opensuse-leap"\nID_LIKE="suse opensuse"', 'zypper install iproute2 wireguard-tools'],
    ['ID=unheard-of', 'apt-get install iproute2 wireguard-tools'],
    ['', 'apt-get install iproute2 wireguard-tools'],
  ] as const)
    assert.equal(installCommand(['ip', 'wg'], packagesOf(release)), command)
  const openwrt = packagesOf('ID="openwrt"')
  assert.equal(installCommand(['ip', 'nft'], openwrt), 'opkg install ip-full nftables-json')
  assert.equal(
    judgeTools({ nft: report('JSON support not compiled-in') }, openwrt)[0]?.mend,
    'opkg install nftables-json',
  )
})

test('the doctor says once what is wrong with a tool, and what is missing without need', () => {
  const given = facts({
    tools: { nft: report('JSON support not compiled-in') },
    chains: { problem: 'nft: JSON support not compiled-in' },
  })
  assert.deepEqual(
    checkPrograms(given).map(({ severity, says }) => [severity, says.split(' ')[0]]),
    [
      ['error', '/usr/sbin/nft'],
      ['info', 'fping'],
    ],
  )
  assert.deepEqual(checkNft(given), [])
})

test('the start is refused in the words of the doctor', () => {
  const tools = { nft: report('JSON support not compiled-in') }
  const { programs, privileges } = facts()
  const start = { enabled: true, isNotified: false, programs, privileges, tools, packages: DEBIAN }
  const [finding] = judgeTools(tools, DEBIAN)
  assert.deepEqual(missingForStart(start), [`${finding?.says}: ${finding?.mend}`])
  const blocked = { wg: { file: undefined, unusableFile: '/usr/bin/wg', answer: undefined } }
  assert.deepEqual(missingForStart({ ...start, programs: new Set(['ip', 'nft']), tools: blocked }), [
    '/usr/bin/wg may not be started: chmod a+rx /usr/bin/wg',
  ])
})

test('without WireGuard in the kernel and without wireguard-go the daemon does not start', async () => {
  const world = new FakeDoctorWorld()
  world.files.set('/proc/sys/kernel/osrelease', '6.1.0\n')
  world.files.set('/lib/modules/6.1.0/modules.dep', 'kernel/drivers/net/veth.ko:\n')
  let holdsSocket = false
  const start: StartWorld = {
    host: { ...world.host, hasSocket: async () => holdsSocket },
    read: (path) => world.read(path),
    stat: (path) => world.stat(path),
    programs: () => world.programs(),
    privileges: () => world.privileges(),
  }
  const problems = async () => missingForStart(await observeStart(start, settingsOf(), false))
  assert.deepEqual(await problems(), [
    'the kernel has no WireGuard, and wireguard-go is not installed: apt-get install wireguard-go',
    'wireguard-go needs /dev/net/tun, which is not there: modprobe tun',
  ])
  holdsSocket = true
  assert.deepEqual(await problems(), [], 'a link that is there needs neither')
  holdsSocket = false
  world.files.set('/lib/modules/6.1.0/modules.dep', 'kernel/drivers/net/wireguard/wireguard.ko:\n')
  assert.deepEqual(await problems(), [])
})
