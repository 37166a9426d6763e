import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  afterFailure,
  afterSuccess,
  followRedirect,
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
