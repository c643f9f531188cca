/** Files that earlier versions wrote are opened, read whole, written on, verified and repaired, for ever. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { crc32 } from '../../src/base/checksum.js'
import { InlineExecutor } from '../../src/env/executor.js'
import { open } from '../../src/store/open.js'
import { repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import { makeFiles, STORES, VERSION_1 } from './stores.js'

beforeAll(async () => {
  if (process.env.MODE !== 'formats') return
  for (const store of STORES) await makeFiles(VERSION_1, store)
})

/** A copy that may be changed. */
function copyOf(name: string): string {
  const work = mkdtempSync(join(tmpdir(), 'varve-format-'))
  onTestFinished(() => rmSync(work, { recursive: true, force: true }))
  cpSync(join(VERSION_1, name), join(work, 'store'), { recursive: true })
  return join(work, 'store')
}

describe.each(STORES)('format version 1: $name', ({ name, options, entries }) => {
  const executor = new InlineExecutor()

  test('is sound, and opens for reading with everything in it', async () => {
    const path = join(VERSION_1, name)
    const { ok, findings } = await verify(path)
    expect(ok, JSON.stringify(findings)).toBe(true)
    const store = await open<unknown, unknown>(path, { ...options, readOnly: true })
    onTestFinished(() => store.close())
    expect(await store.entries().all()).toEqual(entries)
    expect(await store.entries({ reverse: true }).all()).toEqual(entries.toReversed())
    for (const [key, value] of entries) expect(await store.get(key)).toEqual(value)
    expect(readdirSync(path)).not.toContain('LOCK')
  })

  test('opens as a store that may be written, and opens again', async () => {
    const path = copyOf(name)
    for (let round = 0; round < 2; round++) {
      const store = await open<unknown, unknown>(path, { ...options, executor })
      expect(await store.entries().all()).toEqual(entries)
      await store.set(entries[0][0], entries[0][1])
      await store.compact()
      await store.close()
    }
    expect((await verify(path)).findings).toEqual([])
  })

  test('is repaired to the same', async () => {
    const path = copyOf(name)
    const { complete } = await repair(path, { out: `${path}.repaired` })
    expect(complete).toBe(true)
    const store = await open<unknown, unknown>(`${path}.repaired`, { ...options, executor })
    onTestFinished(() => store.close())
    expect(await store.entries().all()).toEqual(entries)
  })
})

describe('the kept files', () => {
  test('are small, and never change', () => {
    const sums: Record<string, string> = {}
    let sizeBytes = 0
    for (const name of readdirSync(VERSION_1, { recursive: true, encoding: 'utf8' }).sort()) {
      const path = join(VERSION_1, name)
      if (!statSync(path).isFile()) continue
      sizeBytes += statSync(path).size
      sums[name] = crc32(readFileSync(path)).toString(16)
    }
    expect(existsSync(join(VERSION_1, 'live-utf8-utf8', 'CURRENT'))).toBe(true)
    expect(sizeBytes).toBeLessThan(100_000)
    expect(sums).toMatchSnapshot()
  })

  test('hold tables, sealed and live log segments', () => {
    const names = readdirSync(join(VERSION_1, 'live-utf8-utf8'))
    expect(names.filter((name) => name.endsWith('.wal')).length).toBeGreaterThan(1)
    expect(names.filter((name) => name.endsWith('.sst')).length).toBeGreaterThan(1)
  })
})
