import { execFileSync } from 'node:child_process'
import { copyFileSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LabProcess } from '../../lab/process.ts'

const HERE = import.meta.dirname
const PAGE = 'docs/operators.md'
/** Where the configurations on the page have the certificate. */
const CERTIFICATES = '/etc/discovery'
/** What a distribution's own settings may have for a silent connection, in seconds: less than a watch is silent for. */
const SHORT_SECONDS = 1

export interface ProxyKind {
  readonly name: string
  /** The lines of its configuration on the page for operators begin with this. */
  readonly begins: RegExp
  /** A whole configuration around them. */
  readonly around: (block: string, directory: string) => string
  readonly command: (root: string, file: string) => readonly string[]
}

export const PROXIES: readonly ProxyKind[] = [
  {
    name: 'nginx',
    begins: /^ {4}server \{$/,
    around: (block, directory) => `
      user root;
      pid ${directory}/pid;
      events {}
      http {
        access_log off;
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${directory}/${what};`).join('\n')}
        grpc_read_timeout ${SHORT_SECONDS}s;
        grpc_send_timeout ${SHORT_SECONDS}s;
        client_body_timeout ${SHORT_SECONDS}s;
        ${block}
      }`,
    command: (root, file) => [`${root}/usr/sbin/nginx`, '-e', 'stderr', '-g', 'daemon off;', '-c', file],
  },
  {
    name: 'haproxy',
    begins: /^ {4}frontend \w+$/,
    around: (block) => `
defaults
  timeout connect ${SHORT_SECONDS}s
  timeout client ${SHORT_SECONDS}s
  timeout server ${SHORT_SECONDS}s
${block}`,
    command: (root, file) => [`${root}/usr/sbin/haproxy`, '-db', '-f', file],
  },
]

/** The folder that Debian's packages are unpacked in. Throws with what apt-get said when they cannot be had. */
export const unpackedProxies = (): string =>
  execFileSync('sh', [join(HERE, 'packages.sh')], { encoding: 'utf8' }).trim()

/** The configuration on the page: the indented lines from the one that begins it to the next text. */
function blockOf({ name, begins }: ProxyKind): string {
  const lines = readFileSync(PAGE, 'utf8').split('\n')
  const from = lines.findIndex((line) => begins.test(line))
  if (from < 0) throw new Error(`${PAGE} has no configuration of ${name}`)
  const length = lines.slice(from).findIndex((line) => line !== '' && !line.startsWith('    '))
  return lines
    .slice(from, from + length)
    .map((line) => line.slice(4))
    .join('\n')
}

/** A proxy with the configuration on the page, in front of 127.0.0.1:3000, on port 443 of this host. */
export class RunningProxy implements AsyncDisposable {
  readonly #directory: string
  readonly #process: LabProcess

  /** @param root where Debian's packages are unpacked. */
  constructor(kind: ProxyKind, root: string, certificate: string, key: string) {
    this.#directory = mkdtempSync(join(tmpdir(), 'openspan-proxy-'))
    const file = join(this.#directory, 'configuration')
    copyFileSync(certificate, join(this.#directory, 'tls.crt'))
    copyFileSync(key, join(this.#directory, 'tls.key'))
    writeFileSync(
      join(this.#directory, 'tls.pem'),
      readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'),
    )
    const block = blockOf(kind).replaceAll(CERTIFICATES, this.#directory)
    writeFileSync(file, `${kind.around(block, this.#directory)}\n`)
    this.#process = LabProcess.start(kind.command(root, file), {
      logPath: join(this.#directory, 'log'),
      env: { LD_LIBRARY_PATH: globSync(`${root}/usr/lib/*-linux-gnu`).join(':') },
    })
  }

  /** What it has to say of its configuration, and of anything else. */
  get output(): string {
    return this.#process.output
  }

  get isRunning(): boolean {
    return this.#process.isRunning
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop('SIGTERM')
    rmSync(this.#directory, { recursive: true })
  }
}

/** Longer than what the settings around those of the page allow a connection to be silent. */
export const SILENCE_MS = 2.5 * SHORT_SECONDS * 1000
