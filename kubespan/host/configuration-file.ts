import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { getuid } from 'node:process'

/** Where deploy/systemd has the service look for its configuration, and the group that it runs as. */
const SERVICE_DIRECTORY = '/etc/kubespan'
const SERVICE_GROUP = 'kubespan'

const OWNER_ONLY = 0o600
const OWNER_AND_READING_GROUP = 0o640
const ROOT = 0

/** The number of a group, in the form of /etc/group: `name:password:number:members`. */
export function groupNumber(groups: string, name: string): number | undefined {
  const line = groups.split('\n').find((each) => each.startsWith(`${name}:`))
  const text = line?.split(':')[2]
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined
}

/**
 * Writes a configuration, which holds the secret of the cluster, where there is none. Its owner alone may read it: mode
 * 0600. Where the installed service looks for it, so may the group of the service: root:kubespan, mode 0640.
 */
export async function writeConfiguration(path: string, text: string): Promise<void> {
  const directory = dirname(resolve(path))
  await mkdir(directory, { recursive: true })
  await using handle = await open(path, 'wx', OWNER_ONLY)
  await handle.writeFile(text)
  if (directory !== SERVICE_DIRECTORY || getuid?.() !== ROOT) return
  const group = groupNumber(await readFile('/etc/group', 'utf8').catch(() => ''), SERVICE_GROUP)
  if (group === undefined) return
  await handle.chown(ROOT, group)
  await handle.chmod(OWNER_AND_READING_GROUP)
}
