import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { test } from 'node:test'

/** All values of a unit, by their name; a name may be there several times. */
function unit(name: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>()
  for (const line of readFileSync(`deploy/systemd/${name}.service`, 'utf8').split('\n')) {
    const [, key, value] = /^(\w+)=(.*)$/.exec(line) ?? []
    if (key !== undefined) values.set(key, [...(values.get(key) ?? []), value ?? ''])
  }
  return values
}

test('the daemon is an ordinary user with one right, and tells how it is through systemd-notify', () => {
  const service = unit('kubespan')
  assert.deepEqual(service.get('User'), ['kubespan'])
  assert.deepEqual(service.get('AmbientCapabilities'), ['CAP_NET_ADMIN'])
  assert.deepEqual(service.get('CapabilityBoundingSet'), ['CAP_NET_ADMIN'])
  assert.deepEqual(service.get('Type'), ['notify'])
  assert.deepEqual(service.get('NotifyAccess'), ['all'], 'systemd-notify is another process')
  assert.ok(Number(service.get('WatchdogSec')?.[0]) > 0)
  assert.deepEqual(service.get('Restart'), ['on-failure'], '"kubespan down" ends it for good')
  assert.equal(service.get('ProtectKernelTunables'), undefined, 'it sets rp_filter of its link')
  assert.equal(service.get('MemoryDenyWriteExecute'), undefined, 'V8 compiles')
})

test('userspace WireGuard does not end with the daemon', () => {
  const wireguard = unit('kubespan-wireguard')
  assert.ok(unit('kubespan').get('Wants')?.[0]?.includes('kubespan-wireguard.service'))
  for (const bond of ['PartOf', 'BindsTo', 'Requires', 'RequiredBy'])
    assert.equal(wireguard.get(bond), undefined, bond)
  for (const bond of ['BindsTo', 'Requires']) assert.equal(unit('kubespan').get(bond), undefined, bond)
  assert.deepEqual(wireguard.get('User'), unit('kubespan').get('User'), 'who makes the socket owns it')
})

test('every program that a unit starts is one that the installer puts there, or one of the system', () => {
  const installer = readFileSync('deploy/systemd/install.sh', 'utf8')
  for (const name of ['kubespan', 'kubespan-wireguard', 'discovery-service'])
    for (const line of unit(name).get('ExecStart') ?? []) {
      const [, program] = /^\/usr\/local\/bin\/(\S+)/.exec(line) ?? []
      if (program !== undefined) assert.match(installer, new RegExp(`^wrapper ${program}$`, 'm'))
    }
})

test('the installer refuses a place that services do not see', () => {
  const checkout = mkdtempSync('/tmp/openspan-')
  try {
    cpSync('deploy/systemd', `${checkout}/deploy/systemd`, { recursive: true })
    const env = { ...process.env, DESTDIR: `${checkout}/root` }
    const { status, stderr } = spawnSync('sh', [`${checkout}/deploy/systemd/install.sh`], {
      env,
      encoding: 'utf8',
    })
    assert.equal(status, 1)
    assert.equal(
      stderr,
      `services cannot see ${checkout}: move the checkout, to /opt/openspan for one, and run this there\n`,
    )
  } finally {
    rmSync(checkout, { recursive: true })
  }
})
