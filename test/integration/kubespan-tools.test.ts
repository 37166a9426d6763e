import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Finding } from '../../kubespan/model/finding.ts'
import { confineTools } from '../support/confined-tools.ts'
import { enterPrivateHost, whyNoPrivateHost } from '../support/private-host.ts'

/** A host whose tools will not do: the daemon says so in one line and does not run, and the doctor says the same. */
const skip = whyNoPrivateHost(['ip', 'nft', 'wg', 'mount']) ?? false
if (!skip) enterPrivateHost(fileURLToPath(import.meta.url))

/** The first directory that tools are looked for in; here it is one of our own. */
const FIRST = '/usr/local/sbin'
const directory = mkdtempSync(join(tmpdir(), 'openspan-tools-'))
after(() => rmSync(directory, { recursive: true }))

before(() => {
  if (skip) return
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', 'none', FIRST], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})

const config = join(directory, 'config.yaml')
writeFileSync(
  config,
  `{apiVersion: v1alpha1, kind: KubeSpanConfig, enabled: true}
---
{apiVersion: v1alpha1, kind: DiscoveryServiceConfig, name: default, endpoint: "http://127.0.0.1:9"}
---
{apiVersion: v1alpha1, kind: DiscoveryIdentityConfig, clusterID: abc, clusterSecret: "${Buffer.alloc(32, 7).toString('base64')}"}
---
{apiVersion: v1alpha1, kind: NodeConfig, stateDirectory: ${directory}/state, runDirectory: ${directory}/run, metricsAddress: off}
`,
  { mode: 0o600 },
)

const kubespan = (...args: string[]) =>
  spawnSync(process.execPath, [resolve('kubespan/main.ts'), ...args, '--config', config], {
    encoding: 'utf8',
    timeout: 60_000,
  })

function put(tool: string, body: string, mode = 0o755): void {
  writeFileSync(join(FIRST, tool), `#!/bin/sh\n${body}\n`)
  chmodSync(join(FIRST, tool), mode)
}

for (const { what, tool, make, line, check } of [
  {
    what: 'an nft without JSON',
    tool: 'nft',
    make: () =>
      put(
        'nft',
        `case " $* " in *" -j "*) echo 'JSON support not compiled-in' >&2; exit 1;; esac\nexec /usr/sbin/nft "$@"`,
      ),
    line: /^kubespan: \/usr\/local\/sbin\/nft was built without JSON, in which the daemon reads what it says: mv \/usr\/local\/sbin\/nft \/usr\/local\/sbin\/nft\.off && apt-get install nftables\n$/,
    check: /built without JSON/,
  },
  {
    what: "BusyBox's ip",
    tool: 'ip',
    make: () => put('ip', 'echo "ip: invalid argument\nBusyBox v1.36.1 multi-call binary." >&2; exit 1'),
    line: /^kubespan: \/usr\/local\/sbin\/ip is BusyBox's ip, which knows no JSON: apt-get install iproute2\n$/,
    check: /BusyBox/,
  },
  {
    what: 'a wg that may not read',
    tool: 'wg',
    make: () =>
      put(
        'wg',
        'case " $* " in *" /dev/stdin "*) echo "fopen: Permission denied" >&2; exit 1;; esac\nexec /usr/bin/wg "$@"',
      ),
    line: /^kubespan: \/usr\/local\/sbin\/wg may not read what it is given, not even from a pipe: .*: aa-complain \/usr\/local\/sbin\/wg\n$/,
    check: /may not read/,
  },
] as const)
  test(`${what} is refused at the start in one line, and the doctor says the same`, { skip }, () => {
    make()
    try {
      const { status, stderr, stdout } = kubespan('run')
      assert.match(stderr.replace(/^\{.*\}\n/gm, ''), line)
      assert.equal(stdout, '')
      assert.equal(status, 1)
      const examined = kubespan('doctor', '-o', 'json')
      const found = (JSON.parse(examined.stdout) as Finding[]).filter(({ severity }) => severity === 'error')
      const [finding] = found.filter((one) => one.check === 'tools')
      assert.match(finding?.says ?? '', check)
      assert.equal(stderr, `kubespan: ${finding?.says}: ${finding?.mend}\n`)
      assert.ok(!found.some((one) => one.check === 'nftables'), 'the same thing is not said twice')
    } finally {
      rmSync(join(FIRST, tool))
    }
  })

test('an nft that stands in front of the good one goes away as the line says', { skip }, () => {
  put('nft', 'echo "JSON support not compiled-in" >&2; exit 1')
  const { stderr } = kubespan('run')
  const command = /: (mv \S+ \S+) && /.exec(stderr)?.[1] ?? ''
  assert.equal(spawnSync('sh', ['-c', command]).status, 0)
  assert.ok(!kubespan('doctor').stdout.includes('built without JSON'))
})

test('a wg that AppArmor confines will do', { skip }, () => {
  confineTools(FIRST, 'no-file', 'wg')
  const { stdout } = kubespan('doctor')
  assert.match(stdout, /ok +tools/)
})
