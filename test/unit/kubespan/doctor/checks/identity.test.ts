import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkIdentity } from '../../../../../kubespan/doctor/checks/identity.ts'
import type { IdentityConflict } from '../../../../../kubespan/model/identity-conflict.ts'
import { daemonView } from '../../../../support/daemon-view.ts'
import { facts } from '../../../../support/doctor-facts.ts'

const conflict = (said: Partial<IdentityConflict>): IdentityConflict => ({
  ...{ kind: 'address', nodeIds: ['a', 'b'], isOwn: false, isOver: false, says: 'a and b', mend: 'ip link' },
  ...said,
})
const told = (identityConflicts: readonly IdentityConflict[]): string[] =>
  checkIdentity(facts({ daemon: { value: daemonView({ identityConflicts }) } })).map(
    ({ severity, says, mend }) => `${severity}: ${says} -> ${mend}`,
  )

test('what two machines share is an error on both, a warning elsewhere, and worth knowing when it is over', () => {
  assert.deepEqual(told([conflict({ isOwn: true }), conflict({}), conflict({ isOver: true })]), [
    'error: a and b -> ip link',
    'warning: a and b -> ip link',
    'info: a and b -> ip link',
  ])
  assert.match(told([]).join(), /^ok: /)
})

test('nothing is said where no daemon tells', () => {
  assert.deepEqual(checkIdentity(facts({ daemon: { value: undefined } })), [])
  assert.deepEqual(checkIdentity(facts({ daemon: { problem: 'permission denied' } })), [])
  assert.deepEqual(checkIdentity(facts({ daemon: { value: daemonView({}) } })), [])
})
