/** Names of what is in a directory, of settings that are known by their paths. */
export const settingsIn = (paths: Iterable<string>, directory: string): string[] => [
  ...new Set(
    Array.from(paths).flatMap((path) =>
      path.startsWith(`${directory}/`) ? [path.slice(directory.length + 1).split('/')[0] ?? ''] : [],
    ),
  ),
]
