import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Machine } from './machine.ts'
import { settingsOf } from './page.ts'
import { PROGRAMS } from './programs.ts'
import { Trial } from './trial.ts'

/** `make test-beside`: the programs themselves beside a daemon, one after the other, set as the page says. */

const wanted = process.env.BESIDE?.split(',')

for (const program of PROGRAMS.filter(({ name }) => wanted?.includes(name) ?? true))
  test(program.name, { skip: Machine.whyNot() ?? false, timeout: 600_000 }, async (t) => {
    const { commands, nodeConfig } = settingsOf(program.name)
    await using trial = await Trial.start('beside')
    await using machine = await Machine.start(trial.host)
    const sh = async (script: string): Promise<string> =>
      (await machine.sh(`${trial.variables}${script}`)).stdout.trim()
    if (program.version !== undefined) t.diagnostic(await sh(program.version))

    const event = async (what: string, happens: () => Promise<unknown>): Promise<void> => {
      const lost = await trial.losses(() => trial.nothingInClear(what, happens))
      t.diagnostic(`${what}: ${lost}`)
    }
    await event('it comes', () => sh(program.start))
    await trial.nothingInClear('whatever is set', () => trial.knock())
    const silent = await trial.silent()
    t.diagnostic(`before anything is set: ${silent.join(', ') || 'all answer'}`)
    // No systemd runs there; what it would start again is started again further down.
    for (const command of commands.filter((line) => !line.startsWith('systemctl '))) await sh(command)
    await trial.set(nodeConfig)
    await trial.reaches()
    for (const [what, script] of Object.entries(program.events)) {
      await event(what, () => sh(script))
      await trial.reaches()
      await sh(program.works)
    }
    if (program.servesPort !== undefined) await trial.calls(program.servesPort)
    await event('our daemon restarts', () => trial.restart(nodeConfig))
    const theirs = await sh(program.footprint)
    await trial.down()
    assert.equal(await sh(program.footprint), theirs, 'down leaves it as it was')
    await trial.up(nodeConfig)
    await trial.nothingInClear('the daemon comes after it', () => trial.reaches())
    await sh(program.works)
    assert.equal(await sh(program.footprint), theirs, 'our start leaves it as it was')
    assert.deepEqual(await trial.leaks(), [])
    await sh(program.stop)
    await trial.reaches()
  })
