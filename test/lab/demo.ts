import { parseArgs } from 'node:util'
import { INTERNET_V4 } from './attachment.ts'
import type { LabHost } from './box.ts'
import { bold, dim, green, red } from './colour.ts'
import { observeTraffic, renderHosts, renderProof, type Traffic } from './demo-report.ts'
import { demoTopology } from './demo-topology.ts'
import { DISCOVERY_PORT, Lab } from './lab.ts'
import { findLeftovers, observeMachine, rememberTracks, type Tracks } from './leftovers.ts'
import { type Explain, type Matrix, renderExplanations, renderMatrix, sumMatrix } from './matrix.ts'
import { compileDaemon, Mesh } from './mesh.ts'
import { meshAddresses, nodeAddresses, pingMatrix, podAddresses } from './ping-matrix.ts'
import { Progress } from './progress.ts'
import { whyUnreachable } from './topology.ts'

const USAGE = `usage: npm run -s demo -- [OPTIONS]

Builds a lab of hosts, NATs and a LAN in network namespaces, starts the discovery service and a KubeSpan
daemon per host, waits for the mesh, shows that it works, and takes everything down again. Needs root.

  --without-symmetric   leave out the two hosts behind NATs that cannot be brought together
  --keep                stop before taking down, until Ctrl-C, to look around
  --help
`

const MESH_WITHIN_MILLISECONDS = 90_000
/**
 * When the handshakes of both ends cross, wireguard-go may listen for one session and send in the other. Its own timers find
 * that after 15 s, the daemons after about 10.
 */
const ANSWERS_WITHIN_MILLISECONDS = 20_000

const say = (text = ''): void => void process.stdout.write(`${text}\n`)

interface Interrupt {
  /** Rejects on the first Ctrl-C. */
  readonly happened: Promise<never>
}

class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

function listenForInterrupt(): Interrupt {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {}) // whoever races it hears of it
  let isSecond = false
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.on(signal, () => {
      if (isSecond) process.exit(status)
      isSecond = true
      reject(new Interrupted(signal))
    })
  return { happened: promise }
}

const EXIT_FAILURE = 1
const EXIT_INTERRUPTED = 130

/** Resolves to the exit status: 0 when all went as it should. */
async function demo(options: { withoutSymmetric: boolean; keep: boolean }): Promise<number> {
  const interrupt = listenForInterrupt()
  const progress = new Progress(process.stdout, () => performance.now())
  const machine = await observeMachine()
  const topology = demoTopology({ symmetric: !options.withoutSymmetric })
  let tracks: Tracks | undefined
  let status = EXIT_FAILURE
  try {
    progress.start('building the lab')
    await using lab = await Lab.create(topology, { prefix: 'openspan-demo' })
    tracks = rememberTracks(lab.id, machine)
    progress.done(`lab of ${lab.hosts.length} hosts built`)
    say(renderHosts(lab))
    const story = tell(lab, progress, options.keep)
    story.catch(() => {}) // after an interrupt nobody waits for it
    if (await Promise.race([story, interrupt.happened])) status = 0
  } catch (error) {
    if (error instanceof Interrupted) {
      status = EXIT_INTERRUPTED
      say(`\n${error.message}: taking everything down`)
    } else {
      progress.fail('the demo could not go on')
      say(`${error instanceof Error ? error.message : String(error)}\n`)
    }
  }
  const leftovers = tracks === undefined ? [] : await findLeftovers(tracks)
  say(
    leftovers.length === 0
      ? `${green('ok')} taken down; left on this machine: no namespace, process, link, route, rule, nft table or file`
      : `${red('FAILED')} left behind:\n${leftovers.map((one) => `  ${one}\n`).join('')}`,
  )
  return leftovers.length === 0 ? status : EXIT_FAILURE
}

async function tell(lab: Lab, progress: Progress, keep: boolean): Promise<boolean> {
  progress.start('starting the discovery service')
  await using mesh = new Mesh(lab)
  await Promise.all([mesh.startDiscovery(), compileDaemon()])
  progress.done(`discovery service answers on http://${INTERNET_V4}:${DISCOVERY_PORT}, in memory`)

  await waitForMesh(mesh, progress)

  const narrator = lab.hosts.find(({ name }) => name === 'natted') ?? lab.hosts[0]
  if (narrator === undefined) return false
  say(`\n${bold(`kubespan status`)} on ${narrator.name}`)
  say((await mesh.kubespan(narrator, ['status'])).stdout)

  const { matrices, traffic } = await pingEverything(mesh, progress)
  const explain = explainPairs(lab)
  say()
  for (const matrix of matrices) say(renderMatrix(matrix, explain))
  say(renderExplanations(matrices[0]?.names ?? [], explain))
  const proof = renderProof(traffic, matrices, explain)
  say(proof.text)
  if (keep) await lookAround(lab)
  return failedPairs(matrices, explain) === 0 && proof.holds
}

const failedPairs = (matrices: readonly Matrix[], explain: Explain): number =>
  matrices.map((matrix) => sumMatrix(matrix, explain).failed).reduce((a, b) => a + b, 0)

async function waitForMesh(mesh: Mesh, progress: Progress): Promise<void> {
  const { hosts } = mesh.lab
  progress.start(`starting ${hosts.length} daemons`)
  for (const host of hosts) mesh.startDaemon(host)
  const expected = hosts.map((host) => mesh.expectedPeers(host).length).reduce((a, b) => a + b, 0)
  const up = new Map<LabHost, number>()
  const show = (): void => {
    const tunnels = [...up.values()].reduce((a, b) => a + b, 0)
    progress.update(`${up.size} of ${hosts.length} daemons run, ${tunnels} of ${expected} tunnel ends up`)
  }
  const ticker = setInterval(show, 250)
  try {
    await mesh.full(MESH_WITHIN_MILLISECONDS, (host, view) => {
      const names = mesh.expectedPeers(host).map(({ name }) => name)
      up.set(host, view.peers.filter(({ label, state }) => names.includes(label) && state === 'up').length)
      show()
    })
    progress.done(`full mesh, ${expected / 2} tunnels, from the start of the first daemon:`)
  } finally {
    clearInterval(ticker)
  }
}

async function pingEverything(
  mesh: Mesh,
  progress: Progress,
): Promise<{ readonly matrices: readonly Matrix[]; readonly traffic: Traffic }> {
  const { lab } = mesh
  const meshAddress = new Map<LabHost, string>()
  for (const host of lab.hosts)
    meshAddress.set(host, (await mesh.control(host).view()).identity?.address ?? 'none')
  const kinds = [nodeAddresses, meshAddresses((host) => meshAddress.get(host) ?? 'none'), podAddresses]
  const before = await observeTraffic(lab)
  progress.start('pinging every address from everywhere')
  const deadline = performance.now() + ANSWERS_WITHIN_MILLISECONDS
  const ping = () => Promise.all(kinds.map((kind) => pingMatrix(lab.hosts, kind)))
  let matrices = await ping()
  while (failedPairs(matrices, explainPairs(lab)) > 0 && performance.now() < deadline) matrices = await ping()
  progress.done('every address pinged from everywhere')
  const now = await observeTraffic(lab)
  return { matrices, traffic: { ...now, sentBytes: now.sentBytes - before.sentBytes } }
}

function explainPairs(lab: Lab): Explain {
  return (from, to) => whyUnreachable(lab.topology, lab.host(from).spec, lab.host(to).spec)
}

/** The longest a timer can be. */
const LONG_MILLISECONDS = 2 ** 31 - 1

/** Until somebody presses Ctrl-C. */
async function lookAround(lab: Lab): Promise<void> {
  say(
    `The lab stays until you press Ctrl-C. For a shell in it:\n  ${dim(`ip netns exec ${lab.host('natted').namespace} bash`)}`,
  )
  await new Promise<void>((resolve) => setTimeout(resolve, LONG_MILLISECONDS))
}

const { values } = parseArgs({
  options: {
    'without-symmetric': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) say(USAGE)
else if (process.getuid?.() !== 0) {
  process.stderr.write('demo: network namespaces need root: sudo make demo\n')
  process.exitCode = 1
} else {
  process.exit(await demo({ withoutSymmetric: values['without-symmetric'], keep: values.keep }))
}
