/** The package as it is built, on a real disk: only there do flush and compaction run in a worker thread. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const BUILT = new URL('../../dist/index.js', import.meta.url)

/** The built package; `npm run build` makes it, `npm test` does so by itself. */
export async function builtPackage(): Promise<typeof import('../../src/index.js')> {
  if (!existsSync(BUILT)) throw new Error('There is no dist. Run npm run build first.')
  return import(/* @vite-ignore */ BUILT.href)
}

/** Calls `use` with a directory that is there only meanwhile. */
export async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'varve-'))
  try {
    await use(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
