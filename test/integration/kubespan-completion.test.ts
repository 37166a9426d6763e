import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { COMMANDS } from '../../kubespan/cli/commands.ts'
import { renderCompletion } from '../../kubespan/cli/completion.ts'
import { RESOURCES } from '../../kubespan/cli/resources.ts'

/** What a shell offers behind these words when the last of them is completed. */
function offered(shell: 'bash' | 'zsh', ...words: string[]): string[] {
  const drive = `
    complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=(); PREFIX="\${COMP_WORDS[COMP_CWORD]}"; _kubespan; printf '%s\\n' "\${COMPREPLY[@]}"; }
    complete_words "$@"`
  const before = shell === 'zsh' ? 'autoload -Uz compinit && compinit -u -D\nsetopt KSH_ARRAYS\n' : ''
  const script = `${before}${renderCompletion(shell)}${drive}`
  const args = shell === 'zsh' ? ['-f', '-c'] : ['--norc', '-c']
  const { stdout, stderr, status } = spawnSync(shell, [...args, script, shell, 'kubespan', ...words], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  const all = stdout.split('\n').filter((word) => word !== '')
  // The compgen of zsh gives all words there are: what fits the one that is completed its own completion finds afterwards.
  return shell === 'zsh' ? all.filter((word) => word.startsWith(words.at(-1) ?? '')) : all
}

const isThere = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0

for (const shell of ['bash', 'zsh'] as const)
  test(`${shell} completes commands, resources, options and their values`, (t: TestContext) => {
    if (!isThere(shell)) return t.skip(`no ${shell} here`)
    const names = COMMANDS.map(({ name }) => name)
    assert.deepEqual(offered(shell, '').sort(), [...names, '--help', '--version'].sort())
    assert.deepEqual(offered(shell, 'co'), ['config', 'completion'])
    const resources = offered(shell, 'get', '')
    for (const { plural } of RESOURCES) assert.ok(resources.includes(plural.toLowerCase()), plural)
    assert.deepEqual(offered(shell, 'get', 'kubespanpeers').sort(), [
      'kubespanpeerspecs',
      'kubespanpeerstatuses',
    ])
    assert.deepEqual(offered(shell, 'get', 'affiliates', '-o', ''), ['table', 'json', 'yaml', 'wide'])
    assert.deepEqual(offered(shell, 'get', 'affiliates', '--na'), ['--namespace'])
    assert.deepEqual(offered(shell, 'config', ''), [
      'validate',
      'show',
      '--config',
      '-c',
      '--socket',
      '--output',
      '-o',
      '--write-key',
      '--help',
    ])
    assert.deepEqual(offered(shell, 'run', '--log-level', 'd'), ['debug'])
    assert.deepEqual(offered(shell, 'run', '--config', '/etc/host').includes('/etc/hosts'), true)
    assert.deepEqual(offered(shell, 'completion', 'z'), ['zsh'])
    assert.deepEqual(offered(shell, 'nonsense', ''), [])
  })
