import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkPathFilters } from '../../../../kubespan/doctor/checks/packets.ts'
import { parsePathFilters } from '../../../../kubespan/model/path-filters.ts'
import { facts } from '../../../support/doctor-facts.ts'

/** nft 1.0.6, put together from firewalld, NixOS, iptables and what people write. */
const RULESET = `table inet firewalld { # handle 1
\tchain filter_PREROUTING { # handle 2
\t\ttype filter hook prerouting priority 10; policy accept;
\t\ticmpv6 type { nd-router-advert, nd-neighbor-solicit } accept # handle 5
\t\tmeta nfproto ipv6 fib saddr . mark . iif oif missing drop # handle 6
\t}
}
table inet nixos { # handle 2
\tchain rpfilter { # handle 1
\t\ttype filter hook prerouting priority -140; policy drop;
\t\tfib saddr . iif oif exists accept # handle 2
\t}
}
table ip mangle { # handle 3
\tchain PREROUTING { # handle 1
\t\ttype filter hook prerouting priority -150; policy accept;
\t\tcounter packets 0 bytes 0 jump fw-rpfilter # handle 3
\t}

\tchain fw-rpfilter { # handle 2
\t\txt match "rpfilter" counter packets 0 bytes 0 return # handle 4
\t}
}
table ip own { # handle 4
\tchain late { # handle 1
\t\ttype filter hook prerouting priority 100; policy accept;
\t\tfib saddr . mark . iif oif 0 drop # handle 2
\t\tfib saddr oif missing drop # handle 3
\t\tfib daddr . iif type local accept # handle 4
\t}

\tchain unused { # handle 5
\t\tfib saddr . iif oif missing drop # handle 6
\t}
}
`

test('filters for the way back are found where they are asked, with whether they go by the mark', () => {
  const found = parsePathFilters(RULESET)
  assert.deepEqual(
    found.map(({ table, chain, hook, priority, handle, byMark }) => [
      table,
      chain,
      hook,
      priority,
      handle,
      byMark,
    ]),
    [
      ['firewalld', 'filter_PREROUTING', 'prerouting', 10, 6, true],
      ['nixos', 'rpfilter', 'prerouting', -140, 2, false],
      ['mangle', 'fw-rpfilter', 'prerouting', -150, 4, undefined],
      ['own', 'late', 'prerouting', 100, 2, true],
    ],
  )
})

test('those that the mark does not help are named, with what does', () => {
  const findings = checkPathFilters(facts({ pathFilters: { value: parsePathFilters(RULESET) } }))
  assert.deepEqual(
    findings.map(({ severity, mend }) => [severity, mend]),
    [
      ['warning', 'nft insert rule inet nixos rpfilter handle 2 iifname "kubespan" accept'],
      ['info', '--validmark in that rule, or "! -i kubespan"'],
      [
        'warning',
        'nft replace rule ip own late handle 2 iifname != "kubespan" fib saddr . mark . iif oif 0 drop',
      ],
    ],
  )
  assert.match(findings[0]?.says ?? '', /chain rpfilter of table inet nixos \(prerouting, -140\)/)
})
