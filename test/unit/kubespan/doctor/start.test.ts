import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingForStart } from '../../../../kubespan/doctor/start.ts'
import type { Program } from '../../../../kubespan/host/installed.ts'

const root = { uid: 0, effective: 1n << 12n, ambient: 0n, bounding: 1n << 12n }
const facts = (programs: readonly Program[], change: object = {}) => ({
  enabled: true,
  programs: new Set(programs),
  privileges: root,
  isNotified: false,
  ...change,
})

test('with its tools and its capability the daemon may start', () => {
  assert.deepEqual(missingForStart(facts(['ip', 'nft', 'wg'])), [])
  assert.deepEqual(
    missingForStart(facts(['ip'], { enabled: false, privileges: { ...root, effective: 0n } })),
    [],
  )
  const service = { uid: 990, effective: 1n << 12n, ambient: 1n << 12n, bounding: 1n << 12n }
  assert.deepEqual(missingForStart(facts(['ip', 'nft', 'wg'], { privileges: service })), [])
})

test('what is missing is named, with what mends it', () => {
  assert.deepEqual(missingForStart(facts(['ip'])), [
    'nft, wg are not installed: apt-get install nftables wireguard-tools',
  ])
  assert.deepEqual(missingForStart(facts(['ip', 'nft', 'wg'], { isNotified: true })), [
    'systemd-notify is not installed: apt-get install systemd',
  ])
  assert.deepEqual(missingForStart(facts(['ip', 'nft', 'wg'], { privileges: { ...root, effective: 0n } })), [
    'CAP_NET_ADMIN is missing: run as root, or as a service with AmbientCapabilities=CAP_NET_ADMIN',
  ])
})
