import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DaemonSummary } from '../../../kubespan/model/daemon-view.ts'
import { describeForManager } from '../../../kubespan/supervision.ts'

const summary = (said: Partial<DaemonSummary> = {}): DaemonSummary => ({
  enabled: true,
  peers: 1,
  peersUp: 1,
  silentServices: [],
  problem: undefined,
  ...said,
})

test('systemd shows one line of what matters', () => {
  assert.equal(describeForManager(summary()), '1 of 1 peers up')
  assert.equal(
    describeForManager(summary({ peers: 2, silentServices: ['default'] })),
    '1 of 2 peers up; not connected: default',
  )
  assert.equal(describeForManager(summary({ enabled: false })), 'KubeSpan is disabled')
  assert.equal(describeForManager(summary({ problem: 'nft: busy' })), 'the last pass failed: nft: busy')
})
