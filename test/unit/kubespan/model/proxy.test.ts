import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { firstHop, ProxySettings } from '../../../../kubespan/model/proxy.ts'
import type { ServiceEndpoint } from '../../../../kubespan/model/service-endpoint.ts'

function proxyOf(env: Record<string, string>): ProxySettings {
  const proxy = ProxySettings.fromEnvironment(env)
  assert.ok(proxy instanceof ProxySettings, String(proxy))
  return proxy
}

const at = (host: string, port = 443): ServiceEndpoint => ({ host, port, plaintext: false })

test('the variables count in either case, the lower one first', () => {
  assert.equal(ProxySettings.fromEnvironment({}), undefined)
  assert.equal(ProxySettings.fromEnvironment({ HTTPS_PROXY: '', https_proxy: '' }), undefined)
  assert.equal(JSON.stringify(proxyOf({ HTTPS_PROXY: 'http://p.example:3128' })), '"http://p.example:3128"')
  assert.equal(JSON.stringify(proxyOf({ https_proxy: 'p.example' })), '"http://p.example:80"')
  assert.equal(JSON.stringify(proxyOf({ https_proxy: 'one:1', HTTPS_PROXY: 'two:2' })), '"http://one:1"')
  assert.equal(JSON.stringify(proxyOf({ HTTPS_PROXY: 'http://[2001:db8::1]:8' })), '"http://[2001:db8::1]:8"')
  for (const name of ['NO_PROXY', 'no_proxy'])
    assert.equal(proxyOf({ HTTPS_PROXY: 'p', [name]: 'd.example' }).isFor(at('d.example')), false)
})

test('what cannot be used is said, without what it says', () => {
  for (const text of [
    'https://u:s3cret@p',
    'socks5://u:s3cret@p',
    'http://u:s3cret@',
    'http://%zz:s3cret@p',
  ]) {
    const problem = ProxySettings.fromEnvironment({ HTTPS_PROXY: text })
    assert.equal(typeof problem, 'string', text)
    assert.doesNotMatch(String(problem), /s3cret/)
  }
})

test('credentials are in no form of it but the one that is asked for', () => {
  const proxy = proxyOf({ HTTPS_PROXY: 'http://us%40er:s3%3Acret@p.example:1' })
  assert.equal(proxy.credentials, 'us@er:s3:cret')
  assert.equal(proxyOf({ HTTPS_PROXY: 'p' }).credentials, undefined)
  for (const text of [JSON.stringify({ proxy }), inspect(proxy, { depth: 9, showHidden: true }), `${proxy}`])
    assert.doesNotMatch(text, /cret/)
})

test('NO_PROXY names hosts, domains, prefixes and ports', () => {
  const cases: [noProxy: string, host: string, port: number, isFor: boolean][] = [
    ['', 'd.example', 443, true],
    [' , ', 'd.example', 443, true],
    ['*', 'd.example', 443, false],
    ['example', 'd.EXAMPLE', 443, false],
    ['D.example', 'd.example', 443, false],
    ['d.example', 'bad.example', 443, true],
    ['.d.example', 'd.example', 443, true],
    ['*.d.example', 'a.d.example', 443, false],
    ['x, d.example:443', 'd.example', 443, false],
    ['d.example:444', 'd.example', 443, true],
    ['192.0.2.0/24', '192.0.2.8', 443, false],
    ['192.0.2.0/24', '192.0.3.8', 443, true],
    ['192.0.2.0/24', 'd.example', 443, true],
    ['192.0.2.8', '192.0.2.8', 443, false],
    ['192.0.2.8:80', '192.0.2.8', 443, true],
    ['2001:db8::/32', '2001:db8::8', 443, false],
    ['[2001:db8::8]:443', '2001:db8:0::8', 443, false],
    ['2001:db8::8', '2001:db8::8', 1, false],
    ['', 'localhost', 443, false],
    ['', '127.0.0.2', 443, false],
    ['', '::1', 443, false],
    ['', '127.example', 443, true],
  ]
  for (const [noProxy, host, port, isFor] of cases)
    assert.equal(
      proxyOf({ HTTPS_PROXY: 'p', NO_PROXY: noProxy }).isFor({ host, port }),
      isFor,
      `${noProxy} ${host}:${port}`,
    )
})

test('the first hop is the proxy, or the service itself', () => {
  const proxy = proxyOf({ HTTPS_PROXY: 'p:1', NO_PROXY: 'near.example' })
  const [far, near] = [at('far.example'), at('near.example')]
  assert.deepEqual(
    [firstHop(far, proxy), firstHop(near, proxy), firstHop(far, undefined)],
    [proxy, near, far],
  )
})
