import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { dirname } from 'node:path'
import { messageOf } from '../../shared/message-of.ts'
import { type Address, parseAddress } from '../../shared/net/address.ts'
import { isAnswered } from '../../shared/unix-socket.ts'
import type { RawAffiliate } from '../model/affiliate.ts'
import type { CandidateView, DaemonView, FullView } from '../model/daemon-view.ts'
import type { FateReport } from '../model/fate.ts'
import type { HostView } from '../model/host-view.ts'
import type { SelfReport } from '../model/own-address.ts'
import { takeStartLock } from './start-lock.ts'

/** What a command may ask of the running daemon. */
export interface DaemonControl {
  view(): DaemonView
  /** What each source says of the others, before it is merged: not part of the view, most do not ask for it. */
  readonly rawAffiliates: readonly RawAffiliate[]
  /** What became of every address of this host; undefined before the first pass, and while this host has no name. */
  readonly self: SelfReport | undefined
  /** What of our making is on the host now. */
  host(): Promise<HostView>
  /** Where a peer may be reached, in the order in which it is tried; empty for one that is not known. */
  candidates(publicKey: string): readonly CandidateView[]
  /** What the kernel does with packets to these addresses. */
  fates(addresses: readonly Address[]): Promise<FateReport>
  /** Looks at the world now, so that the next view is not older than the question. Never longer than a second or so. */
  refresh(): Promise<void>
  /** Calls `listener` after every change of the view until the handle is disposed of. */
  subscribe(listener: () => void): Disposable
  /** Takes our record out of every discovery service and keeps it out. */
  leave(): Promise<void>
  /** Leaves, takes back everything on this host, and ends the process. */
  down(): Promise<void>
  /** Drops the affiliates by that id or name that are not live. */
  forget(called: string): ForgetAnswer
  /** Leaves, ends the process, and has the next one make a new identity. What is on the host stays. */
  resetIdentity(): Promise<ResetAnswer>
  /** Reads the configuration again. Resolves to what is wrong with it, if anything. */
  reload(): Promise<string | undefined>
}

export interface ForgetAnswer {
  /** False when nobody was dropped. */
  readonly isDone: boolean
  /** What was done and what follows, or why nothing was; a line each. */
  readonly says: readonly string[]
}

export interface ResetAnswer {
  /** Where the old identity is now; undefined when there was none. */
  readonly backup: string | undefined
  /** Why the old record is still in a service. */
  readonly problem: string | undefined
}

/** Somebody else answers on the socket. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError'
}

/**
 * The daemon's unix socket: HTTP with JSON, for root and the daemon's own group only. Mode 0660 before the first
 * connection can be made, because the directory is closed to others while the socket is created.
 */
export async function serveControl(path: string, control: DaemonControl): Promise<AsyncDisposable> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o750 })
  await using _lock = await takeStartLock(path)
  if (await isAnswered(path))
    throw new AlreadyRunningError(`another kubespan daemon answers on ${path}: stop it first`)
  rmSync(path, { force: true })
  const server = createServer((request, response) => {
    route(control, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ error: messageOf(error) }))
    })
  })
  const previousMask = process.umask(0o117)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(path, resolve)
    })
  } finally {
    process.umask(previousMask)
  }
  chmodSync(path, 0o660)
  return { [Symbol.asyncDispose]: () => closeServer(server) }
}

async function route(
  control: DaemonControl,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://daemon')
  const json = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /v1/view':
      await control.refresh()
      return json(200, await viewOf(control, url))
    case 'GET /v1/watch':
      return watch(control, url, request, response)
    case 'GET /v1/self':
      await control.refresh()
      return control.self === undefined
        ? json(503, { error: 'the daemon has not looked at this host yet: see "kubespan status"' })
        : json(200, control.self)
    case 'GET /v1/candidates':
      return json(200, control.candidates(url.searchParams.get('key') ?? ''))
    case 'GET /v1/fates': {
      const texts = url.searchParams.getAll('address')
      const addresses = texts.flatMap((text) => parseAddress(text) ?? [])
      if (addresses.length !== texts.length || addresses.length > FATES_MAX)
        return json(400, { error: `say up to ${FATES_MAX} addresses` })
      return json(200, await control.fates(addresses))
    }
    case 'POST /v1/leave':
      await control.leave()
      return json(200, {})
    case 'POST /v1/down':
      await control.down()
      return json(200, {})
    case 'POST /v1/reset-identity':
      return json(200, await control.resetIdentity())
    case 'POST /v1/reload': {
      const problem = await control.reload()
      return json(problem === undefined ? 200 : 422, { error: problem })
    }
    case 'POST /v1/forget': {
      const id = url.searchParams.get('id') ?? ''
      const { isDone, says } = control.forget(id)
      return isDone ? json(200, { says }) : json(404, { error: says.join('; ') })
    }
    default:
      return json(404, { error: 'no such path' })
  }
}

/** So many addresses are asked about at once: each costs a few processes. */
export const FATES_MAX = 64

/** `?host=1` adds what the kernel has, `?raw=1` what each source says: neither is asked for by most. */
async function viewOf(control: DaemonControl, { searchParams }: URL): Promise<FullView> {
  const asks = (part: string): boolean => searchParams.get(part) === '1'
  return {
    ...control.view(),
    ...(asks('host') && { host: await control.host() }),
    ...(asks('raw') && { rawAffiliates: control.rawAffiliates }),
  }
}

/** One view per line, the first at once. A reader that is slow gets the newest view, not every one. */
function watch(control: DaemonControl, url: URL, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  let isBusy = false
  let isStale = false
  const ready = (): void => {
    isBusy = false
    if (!isStale) return
    isStale = false
    send()
  }
  const send = (): void => {
    isStale = isBusy
    if (isBusy) return
    isBusy = true
    viewOf(control, url).then(
      (view) => {
        if (response.write(`${JSON.stringify(view)}\n`)) ready()
        else response.once('drain', ready)
      },
      // A host that cannot be looked at now is looked at again with the next change.
      ready,
    )
  }
  const subscription = control.subscribe(send)
  request.on('close', () => subscription[Symbol.dispose]())
  send()
}

async function closeServer(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
