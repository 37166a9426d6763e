import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

/** What SECURITY.md promises, by the beginning of its sentence: in which file the tests are that hold it, and their names. */
const PROMISES: Readonly<Record<string, readonly (readonly [file: string, ...names: string[]])[]>> = {
  'Live tunnels do not depend': [['hostile/held', 'live tunnels do not depend on a service']],
  'What it deletes, withholds': [
    ['hostile/deletions', 'what a service says without a seal takes nobody away'],
    ['unit/kubespan/controllers/members/hostile', 'whatever a service says, live nodes'],
  ],
  'Packets for a silent peer': [
    ['hostile/deletions', 'a node that is dead, too: nothing for it leaves in clear'],
    ['unit/kubespan/plan/members/retain', 'what a node owned that is given up is held, and then let go'],
  ],
  '`status`, `doctor` and the log': [
    ['hostile/deletions', 'status and doctor tell of peers that no source vouches for'],
  ],
  'Of two records that say': [
    [
      'unit/kubespan/plan/members/settle-records',
      'of two records that say when they were sealed the later one',
    ],
    ['unit/kubespan/sources/discovery/table', 'a record that was sealed before the one that stands'],
  ],
  'Of records that do not': [
    ['unit/kubespan/plan/members/settle-records', 'a record with another key, or with none, waits while'],
    ['hostile/replayed', 'an old record with the former key of a node, told again, cuts no tunnel'],
    [
      'unit/kubespan/controllers/members/gather',
      'what a record withdraws that does not say when it was sealed',
    ],
  ],
  'An address that a service reports': [
    ['hostile/client-address', 'what a service calls our address is believed only where a host can have it'],
    ['unit/kubespan/sources/discovery/told-addresses', 'what no host can have is dropped where it comes in'],
  ],
  'A redirect opens no way': [
    ['hostile/redirected', 'a redirect to a node of the mesh leads nothing past the tunnel'],
    ['unit/kubespan/plan/peers/bypass', 'a name that resolves to what a peer has, or to a mesh address'],
  ],
  'The target of a redirect': [
    ['unit/kubespan/sources/discovery/redirect', 'a redirect names a host and a port, whatever else'],
  ],
  'A message has at most': [
    ['hostile/huge-messages', 'messages of a size that no honest service needs cost neither memory'],
    ['unit/kubespan/sources/discovery/watch-decoder', 'the most that an honest service says is read'],
  ],
  'Texts of a service': [
    ['hostile/long-texts', 'long texts of a service are not kept, shown or logged whole'],
  ],
  'However much a service says': [
    [
      'unit/kubespan/sources/discovery/client',
      'a service that goes on saying something else causes ten passes',
    ],
    ['hostile/floods', 'a service that talks all the time takes a third of a core at most'],
  ],
  'A service that never answers': [
    [
      'unit/kubespan/sources/discovery/client',
      'a service that takes calls and never answers the watch is told of',
    ],
  ],
  'A node whose record is deleted': [
    ['hostile/deleted-twice', 'a node whose record a stranger deletes is back in the service at once'],
  ],
  'A service of ours reports': [
    ['unit/discovery/subscription/subscriptions', 'a deletion is told, whatever came before and after it'],
  ],
  'What a node names of itself': [
    ['support/store/guard-suite', 'the endpoints of the owner push out those of others', '16 are taken'],
    ['hostile/junk-endpoints', 'a node tells of a change although a stranger has filled its record'],
  ],
  'One client address cannot': [
    ['support/store/guard-suite', 'one address cannot fill a cluster'],
    ['hostile/crowded', 'a stranger that fills the cluster with records keeps nobody out'],
  ],
  'What members have written': [['support/store/guard-suite', 'what members write only members change']],
  'A proof counts for': [
    [
      'unit/discovery/limits/proofs',
      'a proof counts for five minutes',
      'a proof that another service was sent',
    ],
    ['unit/shared/identity/write-key', 'a proof holds for its cluster, service, time and purpose'],
  ],
  'With `members-only`': [['unit/discovery/limits/admission', 'members-only serves who proves the key']],
  'A public key stays': [
    ['hostile/stolen', 'a member that says it is another takes nothing from it while that is up'],
    ['unit/kubespan/controllers/members/gather', 'a key stays with who has it'],
  ],
  'What a refused record claims': [
    ['unit/kubespan/controllers/members/gather', 'and what that one claims is held'],
  ],
  'What no other machine can have': [
    ['hostile/claims', 'networks that no member can own are refused and told of'],
    ['unit/kubespan/plan/peers/senseless-claims', 'our mesh address is nobody else’s'],
  ],
  'One node sends any address': [
    ['hostile/aimed-races', 'a member that aims the races of all at somebody gets little sent there'],
    ['unit/kubespan/controllers/paths/race-flood', 'no more than 15 packets a second'],
  ],
  'Connections to the metrics': [
    ['unit/kubespan/metrics/server', 'any number of half requests keeps nobody from the metrics'],
  ],
  'The loopback sockets': [['unit/kubespan/host/race-sockets', 'only WireGuard is heard at a relay']],
  'A run or state directory': [
    ['unit/kubespan/host/own-files', 'a directory of somebody else is refused', 'others may write to'],
    ['hostile/local-users', 'a state directory that somebody else has made is refused'],
  ],
  'Files in them are opened': [
    ['unit/kubespan/host/own-files', 'a file is read that is ours: no link', 'does not follow a link'],
  ],
  'The cluster secret and private keys': [['integration/kubespan-host', 'nothing secret is in any argument']],
  'They are never in logs': [['unit/shared/log', 'what looks like a secret is not said']],
  'Files that hold them': [['unit/kubespan/sources/identity-file', '0o777, 0o600']],
  'When in doubt': [
    ['e2e/purge', 'what others purge of ours lets nothing out in clear'],
    ['unit/kubespan/controllers/members/hostile', 'nothing that one ever owned leaves in clear'],
  ],
}

const promised = readFileSync('SECURITY.md', 'utf8')
  .split('\n')
  .flatMap((line) => (line.startsWith('- ') ? [line.slice(2)] : []))

test('every promise of the security page has a test that says it', () => {
  const beginnings = Object.keys(PROMISES)
  for (const sentence of promised)
    assert.equal(beginnings.filter((text) => sentence.startsWith(text)).length, 1, `not tested: ${sentence}`)
  for (const beginning of beginnings)
    assert.ok(
      promised.some((sentence) => sentence.startsWith(beginning)),
      `not promised any more: ${beginning}`,
    )
  for (const [file, ...names] of Object.values(PROMISES).flat()) {
    const suffix = file.startsWith('support/') ? '.ts' : '.test.ts'
    const text = readFileSync(`test/${file}${suffix}`, 'utf8')
    for (const name of names) assert.ok(text.includes(name), `${file} has no test "${name}"`)
  }
})
