import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeForManager } from '../../../kubespan/supervision.ts'
import { daemonView, peerView } from '../../support/daemon-view.ts'

test('systemd shows one line of what matters', () => {
  const [service] = daemonView().services
  assert.equal(describeForManager(daemonView()), '1 of 1 peers up')
  assert.equal(
    describeForManager(
      daemonView({
        peers: [peerView(), peerView({ state: 'down' })],
        services: service === undefined ? [] : [{ ...service, connected: false }],
      }),
    ),
    '1 of 2 peers up; not connected: default',
  )
  assert.equal(describeForManager(daemonView({ enabled: false })), 'KubeSpan is disabled')
  const lastReconcile = { at: 0, durationMilliseconds: 1, changes: 0, error: 'nft: busy' }
  assert.equal(describeForManager(daemonView({ lastReconcile })), 'the last pass failed: nft: busy')
})
