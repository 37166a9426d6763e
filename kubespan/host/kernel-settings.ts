import { readdir, readFile, writeFile } from 'node:fs/promises'

/** A setting of this network namespace: the path of its file below /proc/sys/net, as `ipv4/conf/eth0/rp_filter`. */
export type SettingPath = string

export interface KernelSettings {
  /** Undefined when the kernel has no such setting. */
  readSetting(path: SettingPath): Promise<string | undefined>
  /** Names of what is in a directory of settings, as the links in `ipv4/conf`. None when the kernel has no such directory. */
  listSettings(directory: SettingPath): Promise<readonly string[]>
  /** False when this process may not change it. */
  writeSetting(path: SettingPath, value: string): Promise<boolean>
}

const REFUSALS = new Set(['EACCES', 'EPERM', 'EROFS'])
const ABSENCES = new Set(['ENOENT', 'ENOTDIR'])

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''

/** The settings as files below `root`. */
export function procSettings(root = '/proc/sys/net'): KernelSettings {
  return {
    async readSetting(path) {
      try {
        return (await readFile(`${root}/${path}`, 'utf8')).trim()
      } catch (error) {
        if (ABSENCES.has(codeOf(error))) return undefined
        throw error
      }
    },
    async listSettings(directory) {
      try {
        return await readdir(`${root}/${directory}`)
      } catch (error) {
        if (ABSENCES.has(codeOf(error))) return []
        throw error
      }
    },
    async writeSetting(path, value) {
      try {
        await writeFile(`${root}/${path}`, value, { flag: 'r+' })
        return true
      } catch (error) {
        if (REFUSALS.has(codeOf(error))) return false
        throw error
      }
    },
  }
}
