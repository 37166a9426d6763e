import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('build.sh', import.meta.url))

export interface KubernetesBinaries {
  readonly apiServer: string
  readonly etcd: string
}

/** Where they are; built first when that is wanted. A text says why there are none. */
export async function kubernetesBinaries(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<KubernetesBinaries | string> {
  const found = await where()
  if (found !== undefined) return found
  if (
    !(await run('go', ['version']).then(
      () => true,
      () => false,
    ))
  )
    return 'no kube-apiserver in the cache, and no Go to build it'
  if (!environment.OPENSPAN_BUILD_KUBERNETES && !environment.CI)
    return 'no kube-apiserver in the cache: run test/support/kubernetes/build.sh once (10 minutes), or set OPENSPAN_BUILD_KUBERNETES=1'
  await run(SCRIPT, { maxBuffer: 64 * 1024 * 1024 })
  return (await where()) ?? 'kube-apiserver was built and is not there'
}

async function where(): Promise<KubernetesBinaries | undefined> {
  try {
    const [apiServer = '', etcd = ''] = (await run(SCRIPT, ['--where'])).stdout.trim().split('\n')
    return { apiServer, etcd }
  } catch {
    return undefined
  }
}
