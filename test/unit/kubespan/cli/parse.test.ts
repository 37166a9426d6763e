import assert from 'node:assert/strict'
import { test } from 'node:test'
import { COMMANDS, renderHelp } from '../../../../kubespan/cli/commands.ts'
import { parseInvocation, UsageError } from '../../../../kubespan/cli/parse.ts'

test('a command takes its own options and operands', () => {
  const { command, options, operands } = parseInvocation(['forget', '--socket', '/s', 'node-1'])
  assert.equal(command?.name, 'forget')
  assert.deepEqual({ ...options }, { socket: '/s' })
  assert.deepEqual(operands, ['node-1'])
  assert.deepEqual(
    { ...parseInvocation(['status', '-o', 'json', '-c', 'f']).options },
    { output: 'json', config: 'f' },
  )
})

test('what a command does not know is a usage error that names it', () => {
  for (const [argv, why] of [
    [['stauts'], /no command stauts; there are: run, status/],
    [['status', '--down-on-exit'], /down-on-exit/],
    [['status', 'extra'], /status does not take "extra"/],
    [['status', '--socket'], /socket/],
    [['--config', 'x'], /config/],
  ] as const)
    assert.throws(
      () => parseInvocation(argv),
      (error: Error) => error instanceof UsageError && why.test(error.message),
      argv.join(' '),
    )
})

test('help is there for everything', () => {
  assert.equal(parseInvocation([]).command, undefined)
  assert.equal(parseInvocation(['help']).command, undefined)
  assert.equal(parseInvocation(['run', '-h']).options.help, true)
  assert.equal(parseInvocation(['--version']).options.version, true)
  for (const command of COMMANDS) {
    assert.ok(renderHelp().includes(`  ${command.name} `))
    const help = renderHelp(command)
    for (const option of command.options)
      assert.ok(help.includes(`--${option}`), `${command.name} --${option}`)
  }
})
