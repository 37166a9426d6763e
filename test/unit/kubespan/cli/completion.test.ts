import assert from 'node:assert/strict'
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
