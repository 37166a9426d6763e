import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkKubernetes } from '../../../../../kubespan/doctor/checks/kubernetes.ts'
import type { KubernetesFact } from '../../../../../kubespan/doctor/facts.ts'
import type { KubernetesView } from '../../../../../kubespan/model/daemon-view.ts'
import { daemonView } from '../../../../support/daemon-view.ts'
import { facts } from '../../../../support/doctor-facts.ts'

const FACT: KubernetesFact = {
  endpoint: '192.0.2.6:6443',
  nodes: 3,
  problem: undefined,
  isForbidden: false,
}
const VIEW: KubernetesView = {
  endpoint: '192.0.2.6:6443',
  connected: true,
  lastContactAt: 0,
  affiliates: 2,
  nodename: 'n1',
  podCidrs: [],
  problem: undefined,
}

const told = (fact: Partial<KubernetesFact>, view?: Partial<KubernetesView>): string[] =>
  checkKubernetes(
    facts({
      kubernetes: { ...FACT, ...fact },
      daemon: { value: daemonView(view && { kubernetes: { ...VIEW, ...view } }) },
    }),
  ).map(({ severity, says }) => `${severity}: ${says}`)

test('nothing is said where the registry is off', () => {
  assert.deepEqual(checkKubernetes(facts()), [])
})

test('an API server that answers, and our Node in it', () => {
  assert.deepEqual(told({}, {}), [
    'ok: 192.0.2.6:6443 answers, with 3 Nodes',
    'ok: the Node of this machine is n1',
  ])
  assert.deepEqual(told({}), ['ok: 192.0.2.6:6443 answers, with 3 Nodes'], 'no daemon that knows')
})

test('what is wrong with it', () => {
  assert.match(
    told({ problem: 'ECONNREFUSED' }).join(),
    /^error: 192\.0\.2\.6:6443 does not answer: ECONNREFUSED$/,
  )
  assert.match(
    told({ endpoint: undefined, problem: 'no kubeconfig' }).join(),
    /^error: the API server does not answer/,
  )
  assert.match(
    told({ problem: 'forbidden', isForbidden: true }).join(),
    /^warning: .* lets us see no other Node/,
  )
  assert.match(
    told({}, { nodename: undefined })[1] ?? '',
    /^warning: which of 3 Nodes is this machine is not known/,
  )
  assert.match(told({}, { problem: 'patch forbidden' })[2] ?? '', /^warning: patch forbidden$/)
  const unseen = checkKubernetes(facts({ kubernetes: FACT, daemon: { problem: 'permission denied' } }))
  assert.equal(unseen.length, 1)
})
