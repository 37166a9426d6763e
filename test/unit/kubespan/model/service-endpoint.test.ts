import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  formatHostPort,
  hostPortOf,
  parseHostPort,
  parseServiceUrl,
} from '../../../../kubespan/model/service-endpoint.ts'

test('the text of the configuration becomes an endpoint', () => {
  const cases: [string, { host: string; port: number; plaintext: boolean }][] = [
    ['https://discovery.example.org/', { host: 'discovery.example.org', port: 443, plaintext: false }],
    ['http://192.0.2.1', { host: '192.0.2.1', port: 80, plaintext: true }],
    ['http://192.0.2.1:80/', { host: '192.0.2.1', port: 80, plaintext: true }],
    ['grpc://d.example:3000/ignored?x', { host: 'd.example', port: 3000, plaintext: false }],
    ['HTTPS://[2001:db8::1]:8443', { host: '2001:db8::1', port: 8443, plaintext: false }],
    ['https://[2001:db8::1]', { host: '2001:db8::1', port: 443, plaintext: false }],
  ]
  for (const [text, want] of cases) assert.deepEqual(parseServiceUrl(text), want, text)
})

test('what is no endpoint says why', () => {
  const cases: [string, RegExp][] = [
    ['discovery.example.org', /needs a scheme/],
    ['ftp://x', /scheme ftp is not one of/],
    ['https://', /not a URL/],
    ['https://user:secret@host', /not a URL/],
    ['https://a b', /not a URL/],
    ['https://h:70000', /port 70000/],
    ['https://h:0', /port 0/],
  ]
  for (const [text, why] of cases) {
    const result = parseServiceUrl(text)
    assert.ok(typeof result === 'string', text)
    assert.match(result, why)
    assert.ok(!result.includes('secret'), 'never repeats a password')
  }
})

test('a redirect target is host:port and nothing else', () => {
  assert.deepEqual(parseHostPort('d.example:3000'), { host: 'd.example', port: 3000 })
  assert.deepEqual(parseHostPort('[2001:db8::1]:3000'), { host: '2001:db8::1', port: 3000 })
  for (const text of [
    '',
    'd.example',
    'https://d.example:1',
    '2001:db8::1:3000',
    'd:0',
    'd:65536',
    'd:1/x',
    'a b:1',
  ])
    assert.equal(parseHostPort(text), undefined, text)
  assert.equal(formatHostPort({ host: '2001:db8::1', port: 1 }), '[2001:db8::1]:1')
  assert.equal(formatHostPort({ host: 'd', port: 1 }), 'd:1')
})

test('a URL leads to a host without brackets, and to the port of its scheme unless it names one', () => {
  assert.deepEqual(hostPortOf(new URL('https://[2001:db8::1]/path')), { host: '2001:db8::1', port: 443 })
  assert.deepEqual(hostPortOf(new URL('http://127.0.0.1')), { host: '127.0.0.1', port: 80 })
  assert.deepEqual(hostPortOf(new URL('https://api.example:6443')), { host: 'api.example', port: 6443 })
})
