import { readFile } from 'node:fs/promises'

/** In a pod the host's file is mounted beside the image's own. */
const FILES = ['/host/etc/machine-id', '/etc/machine-id']

/** The id of this machine as systemd has it, and as kubelets report it; empty when it has none. */
export async function systemMachineId(files: readonly string[] = FILES): Promise<string> {
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (text.trim() !== '') return text.trim()
  }
  return ''
}
