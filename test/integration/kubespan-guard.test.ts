import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observeStrangeChains } from '../../kubespan/apply/ruleset.ts'
import { describeChainDetours } from '../../kubespan/diff/chain-detours.ts'
import { bringInLine } from '../support/host-cases.ts'
import {
  a,
  ask,
  askFrom,
  assertNothingInClear,
  desiredA,
  ip,
  meshUp,
  NODE_B,
  ORDINARY,
  POD_OF_B,
  SILENCE_MS,
  ULA_B,
  wireHosts,
} from '../support/wired-hosts.ts'

const skip = wireHosts(import.meta.url)

const nft = (script: string): Promise<string> => a.run('nft', ['-f', '-'], script)
/** nft 1.0.6 wants closing braces on lines of their own. */
const inTable = (chains: string): string => `table inet stranger {\n${chains.replaceAll('}', '\n}\n')}\n}\n`

/** Does it while nobody repairs anything, and takes it back. */
async function during(chain: string, look: () => Promise<void>): Promise<void> {
  await nft(inTable(chain))
  try {
    await look()
  } finally {
    await nft('delete table inet stranger\n')
  }
}

const reachesB = async (): Promise<void> => {
  for (const goal of [NODE_B, POD_OF_B, ULA_B]) assert.equal(await ask(goal), 'b', goal)
  assert.equal(await askFrom('pod', POD_OF_B), 'b')
  assert.equal(await askFrom('pod', NODE_B), 'b')
}

const isCutOff = async (goals: readonly string[] = [NODE_B, POD_OF_B]): Promise<void> => {
  for (const goal of goals) assert.notEqual(await ask(goal, ORDINARY, SILENCE_MS / 3), 'b', goal)
  await assertNothingInClear()
}

/** Bits of both our marks, as others use them. */
const SHARED_MARKS = ['0x1bd21', '0xca4c', '0xca6c', '0x20', '0x60']

test('a mark of somebody else that shares our bits takes nothing out of the tunnel', { skip }, async () => {
  await meshUp()
  await reachesB()
  for (const mark of SHARED_MARKS) {
    await during(
      `chain p { type filter hook prerouting priority -150; iifname "cni" meta mark set ${mark}; }`,
      reachesB,
    )
    await during(`chain o { type filter hook output priority -150; meta mark set ${mark}; }`, reachesB)
    // NetBird's and others' way to know a flow again.
    await during(
      `chain p { type filter hook prerouting priority -150; iifname "cni" ct mark set ${mark}; meta mark set ct mark; }
      chain o { type filter hook output priority -150; ct mark set ${mark}; meta mark set ct mark; }`,
      reachesB,
    )
  }
  await assertNothingInClear()
})

test('who takes every mark away takes none from WireGuard, and lets nothing out', { skip }, async () => {
  for (const chain of [
    'chain o { type filter hook output priority -150; meta mark set 0; }',
    'chain o { type route hook output priority -150; meta mark set ct mark; }',
    'chain q { type filter hook postrouting priority -150; meta mark set 0x5; }',
    'chain q { type filter hook postrouting priority -150; meta mark set 0x45; }',
  ])
    await during(chain, reachesB)
  // Here it is routed anew after it had our mark.
  await during('chain o { type route hook output priority 10; tcp dport 4000 meta mark set 0x1bd21; }', () =>
    isCutOff(),
  )
  await during('chain o { type route hook output priority 10; tcp dport 4000 meta mark set 0; }', () =>
    isCutOff(),
  )
  await during(
    'chain p { type filter hook prerouting priority 30; iifname "cni" meta mark set 0; }',
    async () => {
      assert.notEqual(await askFrom('pod', NODE_B, ORDINARY, SILENCE_MS / 3), 'b')
      await assertNothingInClear()
    },
  )
  await reachesB()
})

test('a chain that takes our mark away is told of until what mends it is done', { skip }, async () => {
  await meshUp()
  const { placement } = desiredA()
  const look = async () => describeChainDetours(await observeStrangeChains(a, placement.nftTable), placement)
  assert.deepEqual(await look(), [])
  for (const chains of [
    'chain o { type route hook output priority 10; meta mark set 0; }',
    'chain j { tcp dport 4000 meta mark set 0x1bd21; }\nchain o { type route hook output priority 10; ip protocol tcp counter jump j; }',
  ])
    await during(chains, async () => {
      await isCutOff()
      const [detour, ...more] = await look()
      assert.deepEqual(more, [])
      assert.match(detour?.what ?? '', /chain [jo] of table inet stranger takes our mark away/)
      await nft(`${detour?.mend.replace(/^nft /, '')}\n`)
      await reachesB()
      assert.deepEqual(await look(), [])
    })
  for (const chain of [
    'chain o { type filter hook output priority 10; meta mark set 0; }',
    'chain q { type filter hook postrouting priority -150; meta mark set 0x5; }',
    'chain j { meta mark set 0; }\nchain o { type route hook output priority -150; jump j; }',
  ])
    await during(chain, async () => {
      await reachesB()
      assert.deepEqual(await look(), [])
    })
})

test('without our rules, our routes or the chains that mark, nothing leaves in clear', { skip }, async () => {
  for (const purge of [
    async () => {
      for (const family of ['-4', '-6']) await ip(`${family} rule del priority 32500`)
    },
    async () => {
      for (const family of ['-4', '-6']) await ip(`${family} route flush table 180`)
    },
    () => nft('flush chain inet openspan kubespan_outgoing\nflush chain inet openspan kubespan_prerouting\n'),
    () =>
      nft('delete chain inet openspan kubespan_outgoing\ndelete chain inet openspan kubespan_prerouting\n'),
  ]) {
    await purge()
    await isCutOff()
    assert.notEqual(await askFrom('pod', NODE_B, ORDINARY, SILENCE_MS / 3), 'b')
    await assertNothingInClear()
    await bringInLine(a, desiredA())
    await reachesB()
  }
  const table = await a.run('nft', ['list', 'counter', 'inet', 'openspan', 'strays'])
  assert.match(table, /packets [1-9]/)
})
