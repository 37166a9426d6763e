import { readFile } from 'node:fs/promises'

/** The id of this machine as systemd has it, and as kubelets report it; empty when it has none. */
export async function systemMachineId(file = '/etc/machine-id'): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim()
}
