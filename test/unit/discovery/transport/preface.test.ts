import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HTTP2_PREFACE, judgeProtocol } from '../../../../discovery/transport/preface.ts'

test('a beginning of the preface could become either, the whole of it is HTTP/2', () => {
  for (let length = 1; length < HTTP2_PREFACE.length; length++)
    assert.equal(judgeProtocol(HTTP2_PREFACE.subarray(0, length)), undefined)
  assert.equal(judgeProtocol(HTTP2_PREFACE), 'http/2')
  assert.equal(judgeProtocol(Buffer.concat([HTTP2_PREFACE, Buffer.from('more')])), 'http/2')
})

test('anything else is HTTP/1.1, as soon as it differs', () => {
  for (const start of [
    'G',
    'GET / HTTP/1.1\r\n',
    'PRO',
    'PRI * HTTP/1.1\r\n',
    '\0',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r',
  ])
    assert.equal(judgeProtocol(Buffer.from(start, 'latin1')), 'http/1.1', start)
})
