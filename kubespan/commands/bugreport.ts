import { open } from 'node:fs/promises'
import { arch, hostname, release } from 'node:os'
import { gzipSync } from 'node:zlib'
import { systemClock } from '../../shared/clock.ts'
import { ownVersion } from '../../shared/version.ts'
import { collectToolOutputs } from '../bugreport/collect.ts'
import { scrub } from '../bugreport/scrub.ts'
import { packTar, type TarEntry } from '../bugreport/tar.ts'
import { toJson } from '../cli/output.ts'
import { renderStatus } from '../cli/status.ts'
import { hostFacts } from '../config/host-facts.ts'
import { renderSettings } from '../config/show.ts'
import { ControlClient } from '../control/client.ts'
import { createHost } from '../host/host.ts'
import { readOwnFile } from '../host/own-files.ts'
import { type Settings, socketPath } from '../model/settings.ts'
import { askDaemon, examine, readConfig } from './doctor.ts'

const LOG_LINES = 2000

export interface BugreportRequest {
  readonly configFile: string
  readonly socket: string | undefined
  /** Undefined: a name that tells host and time, in the working directory. */
  readonly file: string | undefined
}

/** `kubespan bugreport`: all that helps to understand a fault, without secrets, in one archive. Answers its name. */
export async function writeBugreport({ configFile, socket, file }: BugreportRequest): Promise<string> {
  const config = await readConfig(configFile)
  const { settings } = config
  const at = new Date(systemClock.wall())
  const name = `kubespan-bugreport-${hostname()}-${at.toISOString().replace(/[-:]|\.\d+/g, '')}`
  const entries = [
    { name: 'README.txt', content: README },
    { name: 'versions.txt', content: await describeVersions() },
    {
      name: 'config.txt',
      content:
        config.fact.problem ??
        renderSettings(config, await askDaemon(socket, settings).catch(() => undefined)).table,
    },
    ...(await daemonEntries(socket ?? socketPath(settings))),
    await doctorEntry(configFile, socket),
    ...(await collectToolOutputs({
      runner: createHost({ clock: systemClock, runDirectory: settings.node.runDirectory }),
      placement: settings.placement,
      logLines: LOG_LINES,
    })),
    ...(await wireguardLog(settings)),
  ]
  const secrets = await knownSecrets(settings)
  const archive = packTar(
    entries.map((entry) => ({ name: `${name}/${entry.name}`, content: scrub(entry.content, secrets) })),
    Math.floor(at.getTime() / 1000),
  )
  const path = file ?? `${name}.tar.gz`
  await using handle = await open(path, 'wx', 0o600)
  await handle.writeFile(gzipSync(archive))
  return path
}

const README = `What "kubespan bugreport" found on this host. Keys that are secret, the cluster id and the cluster secret are
removed. Names, addresses and public keys of nodes are in here: look before you hand it on.
`

async function describeVersions(): Promise<string> {
  const { operatingSystem } = await hostFacts()
  return [
    `kubespan ${ownVersion()}`,
    `node ${process.version}`,
    `linux ${release()} ${arch()}`,
    operatingSystem,
    '',
  ].join('\n')
}

async function daemonEntries(path: string): Promise<readonly TarEntry[]> {
  try {
    const view = await new ControlClient(path).view({ host: true })
    return [
      { name: 'view.json', content: toJson(view) },
      { name: 'status.txt', content: renderStatus(view, systemClock.wall()) },
    ]
  } catch (error) {
    return [{ name: 'status.txt', content: `${String(error)}\n` }]
  }
}

async function doctorEntry(configFile: string, socket: string | undefined): Promise<TarEntry> {
  const content = await examine(configFile, socket).then(
    ({ text }) => text,
    (error: unknown) => `${String(error)}\n`,
  )
  return { name: 'doctor.txt', content }
}

/** What a WireGuard in userspace says that the daemon started itself. */
async function wireguardLog({ node, placement }: Settings): Promise<readonly TarEntry[]> {
  const name = `wireguard-go-${placement.linkName}.log`
  const content = await readOwnFile(`${node.runDirectory}/${name}`).then(String, () => undefined)
  return content === undefined ? [] : [{ name: `tools/${name}`, content }]
}

/** Everything secret that this host has of the mesh, so that it is found wherever it slipped in. */
async function knownSecrets({ cluster, node }: Settings): Promise<readonly string[]> {
  const identity = await readOwnFile(`${node.stateDirectory}/kubespan-identity.yaml`).then(String, () => '')
  const privateKey = /^privateKey:\s*"?([^\s"]+)/m.exec(identity)?.[1]
  return [
    ...(cluster === undefined ? [] : [cluster.id, cluster.key.presharedKey()]),
    ...(privateKey === undefined ? [] : [privateKey]),
  ]
}
