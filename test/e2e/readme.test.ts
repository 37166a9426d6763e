import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { BareMachine } from '../start/bare-machine.ts'
import { CLONE, commandsOf, paste } from '../start/readme.ts'
import { patient } from '../support/patience.ts'

/**
 * What the README says, pasted line by line on a Debian 12 that has nothing: its npm links no Node, and its own Node is too
 * old. `make test-bare` does the same with the README's `make test`, which is left out here.
 */

const CONNECTED_WITHIN_MS = 20_000
/** The first time the root of the machine has to be made, which fetches some hundred packages. */
const timeout = 900_000

test('the README, line by line, on a bare Debian 12', { timeout }, async (t: TestContext) => {
  const whyNot = BareMachine.whyNot()
  if (whyNot !== undefined) return t.skip(whyNot)
  const [install = '', ...see] = commandsOf('See it work')
  assert.match(install, /^apt-get update && apt-get install -y /)
  await using machine = await BareMachine.start(install)
  await machine.shell(`git clone -q ${machine.origin} ${CLONE}`)

  for (const line of [...see, ...commandsOf('Run it')]) {
    if (/^make test\b/.test(line)) continue
    const title = line.replace(/\s+#.*/, '')
    await t.test(title, { timeout }, async () => {
      const { code, stdout, stderr } = await paste(machine, line)
      assert.equal(code, 0, `${stdout}${stderr}`)
      assert.doesNotMatch(stderr, /\n\s+at /, 'a stack trace')
    })
  }

  await t.test('the daemon reaches the service, and says so in any directory', async () => {
    const deadline = performance.now() + patient(CONNECTED_WITHIN_MS)
    for (;;) {
      const { stdout } = await machine.shell(`${CLONE}/bin/kubespan status`)
      if (/discovery\.example\.org:3000\s+connected/.test(stdout)) break
      assert.ok(performance.now() < deadline, stdout)
      await sleep(100)
    }
    const { stdout } = await machine.shell('npm run -s kubespan -- status', { cwd: CLONE })
    assert.match(stdout, /connected/)
  })
})
