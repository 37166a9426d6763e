import assert from 'node:assert/strict'
import { test } from 'node:test'
import { proxyInUse } from '../../../../kubespan/config/daemon-proxy.ts'
import { renderSettings } from '../../../../kubespan/config/show.ts'
import type { DaemonView } from '../../../../kubespan/model/daemon-view.ts'
import { ProxySettings } from '../../../../kubespan/model/proxy.ts'
import { daemonView } from '../../../support/daemon-view.ts'
import { settingsOf } from '../../../support/doctor-facts.ts'

const proxyOf = (HTTPS_PROXY: string, NO_PROXY = ''): ProxySettings => {
  const proxy = ProxySettings.fromEnvironment({ HTTPS_PROXY, NO_PROXY })
  assert.ok(proxy instanceof ProxySettings)
  return proxy
}
const daemonWith = (proxy: ProxySettings | null | undefined): DaemonView => {
  const view = daemonView()
  const { proxy: _, ...settings } = view.settings
  const told = proxy instanceof ProxySettings ? { proxy: proxy.view } : { proxy }
  return { ...view, settings: { ...settings, ...(proxy === undefined ? {} : told) } } as DaemonView
}

const MINE = proxyOf('http://mine.example:3128')
const ITS = proxyOf('http://it:secret%3A@its.example:3128', 'd.example')

test('the proxy of the daemon counts, also when it has none; our own where nobody tells', () => {
  for (const daemon of [undefined, daemonWith(undefined)])
    assert.deepEqual(proxyInUse({ proxy: MINE }, daemon), {
      proxy: MINE,
      of: 'command',
      lacksCredentials: false,
    })
  assert.equal(proxyInUse({ proxy: MINE }, daemonWith(null)).proxy, undefined)
  const { proxy, of, lacksCredentials } = proxyInUse({ proxy: MINE }, daemonWith(ITS))
  assert.deepEqual([proxy?.host, of, lacksCredentials], ['its.example', 'daemon', true])
  assert.equal(proxy?.isFor({ host: 'd.example', port: 443 }), false)
  assert.equal(proxy?.isFor({ host: 'e.example', port: 443 }), true)
})

test('credentials do not leave the daemon; who has the same proxy has them already', () => {
  assert.ok(!JSON.stringify(daemonWith(ITS)).includes('secret'))
  const same = proxyInUse({ proxy: proxyOf('http://it:secret%3A@its.example:3128') }, daemonWith(ITS))
  assert.deepEqual([same.proxy?.credentials, same.lacksCredentials], ['it:secret:', false])
})

test('the effective values say whose proxy is shown', () => {
  const shown = (daemon: DaemonView | undefined) =>
    renderSettings({ settings: { ...settingsOf(), proxy: MINE }, origin: new Map() }, daemon).value.proxy
  assert.deepEqual(shown(daemonWith(ITS)), {
    value: 'http://its.example:3128',
    from: 'environment of the daemon',
  })
  assert.deepEqual(shown(undefined), {
    value: 'http://mine.example:3128',
    from: 'environment of this command, as no daemon answers',
  })
})
