/** A real file system that fills up: a small tmpfs, where the system lets this process mount one. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { OPTIONS } from './fixtures/workload.mjs'
import { builtPackage } from './real-store.js'

const SIZE_KIB = 1024

/** What is let go of to make room: compactions need some, too. */
const BALLAST_KIB = 512

const directory = mkdtempSync(join(tmpdir(), 'varve-small-'))
const isMounted = mount()

function mount(): boolean {
  if (process.platform !== 'linux') return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE_KIB}k`, 'tmpfs', directory], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

afterAll(() => {
  if (isMounted) execFileSync('umount', ['-l', directory])
  rmSync(directory, { recursive: true, force: true })
})

test.skipIf(!isMounted)(
  'a disk that is full refuses writes, loses none, and takes them again when there is room',
  { timeout: 120_000 },
  async () => {
    const { open } = await builtPackage()
    const ballast = join(directory, 'ballast')
    writeFileSync(ballast, Buffer.alloc(BALLAST_KIB * 1024))
    const path = join(directory, 'db')
    const store = await open(path, OPTIONS)
    const written: string[] = []
    const write = async (): Promise<string | undefined> => {
      const key = `key${String(written.length).padStart(6, '0')}`
      try {
        await store.set(key, key.padEnd(300, Math.random().toString(36)))
        written.push(key)
        return undefined
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    let code: string | undefined
    while (code === undefined) code = await write()
    expect(code).toBe('NO_SPACE')
    expect(written.length).toBeGreaterThan(100)
    expect(await store.keys().all()).toEqual(written)
    rmSync(ballast)
    // Until the background work has tried again, writers may still be told of its last attempt.
    const full = written.length
    const until = Date.now() + 30_000
    while (written.length < full + 50) {
      code = await write()
      if (code !== undefined) await new Promise((resolve) => setTimeout(resolve, 20))
      expect(Date.now(), `still ${code}, ${written.length - full} writes behind`).toBeLessThan(until)
    }
    expect(await store.keys().all()).toEqual(written)
    await store.close()
    const again = await open(path, OPTIONS)
    expect(await again.keys().all()).toEqual(written)
    await again.close()
  },
)

test.runIf(!isMounted)('NOT TESTED here: a full disk (this system lets us mount no tmpfs)', () => {
  console.warn(
    'test/integration/small-disk.test.ts: no tmpfs could be mounted, so a full disk was NOT tested.',
  )
})
