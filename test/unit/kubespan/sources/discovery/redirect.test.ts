import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  afterFailure,
  afterSuccess,
  followRedirect,
  parseRedirect,
  REDIRECT_CHAIN_MAX_HOPS,
  REDIRECT_FALLBACK_FAILURES,
  type Route,
  routeTo,
} from '../../../../../kubespan/sources/discovery/redirect.ts'

const configured = { host: 'one', port: 443, plaintext: false }

test('a redirect changes the place and keeps the scheme', () => {
  const route = followRedirect(routeTo(configured), { host: 'two', port: 3000 })
  assert.deepEqual(route?.current, { host: 'two', port: 3000, plaintext: false })
  assert.deepEqual(route?.configured, configured)
})

test('a redirect names a host and a port, whatever else that could mean', () => {
  for (const text of 'two:3000 two.example.:443 dns:53 unix:1 ipv4:80 a_b:1 192.0.2.7:53 [2001:db8::7]:53 127.0.0.1:3000'.split(
    ' ',
  ))
    assert.ok(parseRedirect(text), text)
  assert.deepEqual(parseRedirect('[2001:db8::7]:53'), { host: '2001:db8::7', port: 53 })
})

test('what is no host and port is refused', () => {
  const texts =
    'two :53 two:0 two:65536 two:x https://two/ unix:/run/x unix:///run/x:1 dns:///two:53 dns:two:53 ipv4:192.0.2.7:53 two/x:1 user@two:1 ' +
    '-two:1 .two:1 two..:1 two%00:1 127.1:53 2130706433:53 0x7f000001:53 two.0x7f:1 0.0.0.0:53 255.255.255.255:53 224.0.0.1:53 ' +
    '[::]:53 [ff02::1]:53 [two]:53 [:]:53 2001:db8::7:53'
  for (const text of [
    ...texts.split(' '),
    '',
    ' two:53',
    'two:53\n',
    'tw\u001bo:53',
    'zwö:53',
    `${'x'.repeat(254)}:53`,
  ])
    assert.equal(parseRedirect(text), undefined, JSON.stringify(text))
})

test('a circle is cut', () => {
  let route: Route | undefined = routeTo(configured)
  let hops = 0
  for (; route !== undefined && hops < 100; hops++)
    route = followRedirect(route, { host: `h${hops % 2}`, port: 1 })
  assert.equal(hops, REDIRECT_CHAIN_MAX_HOPS + 1)
})

test('a redirect target that keeps failing is given up for the configured endpoint', () => {
  let route = followRedirect(routeTo(configured), { host: 'two', port: 3000 }) as Route
  for (let n = 1; n < REDIRECT_FALLBACK_FAILURES; n++) route = afterFailure(route)
  assert.equal(route.current.host, 'two')
  assert.equal(afterFailure(route).current.host, 'one')
  assert.equal(afterFailure(afterSuccess(route)).current.host, 'two', 'a success forgets the failures')
})

test('the configured endpoint is never given up', () => {
  let route = routeTo(configured)
  for (let n = 0; n < 50; n++) route = afterFailure(route)
  assert.equal(route.current.host, 'one')
})
