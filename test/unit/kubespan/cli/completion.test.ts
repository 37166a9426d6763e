import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { COMMANDS } from '../../../../kubespan/cli/commands.ts'
import { renderCompletion, SHELLS } from '../../../../kubespan/cli/completion.ts'

test('every shell is told of every command, its options and its words', () => {
  for (const shell of SHELLS) {
    const script = renderCompletion(shell)
    for (const { name, options } of COMMANDS) {
      assert.ok(script.includes(name), `${shell} ${name}`)
      for (const option of options)
        assert.ok(script.includes(shell === 'fish' ? `-l ${option}` : `--${option}`), `${shell} --${option}`)
    }
    assert.ok(script.includes('kubespanpeerstatuses'), shell)
    assert.ok(script.endsWith('\n'))
  }
  assert.match(renderCompletion('zsh'), /^#compdef kubespan\n/)
  assert.match(renderCompletion('bash'), /\ncomplete -F _kubespan kubespan\n$/)
  assert.match(renderCompletion('fish'), /-l watch -s w -d 'go on showing what changes, marked \+ ~ -'\n/)
})

test('quotes in help texts do not end the words of fish', () => {
  assert.match(renderCompletion('fish'), /-d 'the daemon\\'s socket/)
})

const completed = (...words: readonly string[]): string[] =>
  execFileSync(
    'bash',
    [
      '-c',
      `eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kubespan; echo "\${COMPREPLY[@]}"`,
    ].concat(['bash', renderCompletion('bash'), 'kubespan', ...words]),
  )
    .toString()
    .trim()
    .split(' ')

test('get takes a format more than the other commands', () => {
  for (const option of ['-o', '--output']) {
    assert.deepEqual(completed('get', 'affiliates', option, ''), ['table', 'json', 'yaml', 'wide'])
    assert.deepEqual(completed('get', 'affiliates', option, 'w'), ['wide'])
    assert.deepEqual(completed('status', option, ''), ['table', 'json', 'yaml'])
  }
  const lines = renderCompletion('fish').split('\n')
  const formats = (command: string) =>
    lines.find((line) => line.includes(`seen_subcommand_from ${command}'`) && line.includes('-l output'))
  assert.match(formats('get') ?? '', /-a 'table json yaml wide'/)
  assert.match(formats('status') ?? '', /-a 'table json yaml'/)
})
