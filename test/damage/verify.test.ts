import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { VarveError } from '../../src/base/errors.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { open } from '../../src/store/open.js'
import { type VerifyReport, verify } from '../../src/store/verify.js'
import {
  bytesOf,
  DIRECTORY,
  diskOf,
  flipped,
  type Image,
  imageOf,
  keyOf,
  makeStore,
  namesOf,
  OPTIONS,
  type SmallStore,
  surroundings,
  withFile,
} from './images.js'

let small: SmallStore
beforeAll(async () => {
  small = await makeStore()
})

async function verified(image: Image): Promise<VerifyReport> {
  const fileSystem = await diskOf(image)
  const report = await verify(DIRECTORY, { fileSystem })
  expect(await imageOf(fileSystem), 'nothing is written').toEqual(image)
  expect(fileSystem.openCount, 'no file stays open').toBe(0)
  expect(structuredClone(report), 'plain data').toEqual(report)
  return report
}

function brief({ findings }: VerifyReport): string[] {
  return findings.map(({ severity, code, file }) => `${severity} ${code} ${file}`)
}

describe('verify', () => {
  test('finds nothing wrong with a sound store, closed or crashed', async () => {
    const closed = await verified(small.closed)
    expect(closed).toMatchObject({ ok: true, path: DIRECTORY, findings: [], omitted: 0, snapshots: 0 })
    expect(closed.tables).toBe(namesOf(small.closed, 'sst').length)
    expect(closed.segments).toBe(namesOf(small.closed, 'wal').length)
    expect(closed.files).toBe(closed.tables + closed.segments)
    expect(closed.entries).toBeGreaterThan(30)
    const crashed = await verified(small.crashed)
    expect(crashed.ok, brief(crashed).join('\n')).toBe(true)
  })

  test('names every damage in all files at once', async () => {
    const tables = namesOf(small.closed, 'sst')
    const segments = namesOf(small.closed, 'wal')
    expect(tables.length).toBeGreaterThanOrEqual(2)
    expect(segments.length).toBeGreaterThanOrEqual(2)
    let image = small.closed
    for (const name of tables) image = withFile(image, name, flipped(bytesOf(image, name), 8 * 20))
    for (const name of segments) image = withFile(image, name, flipped(bytesOf(image, name), 8 * 300))
    image = withFile(image, 'CURRENT', bytesOf(image, 'CURRENT').slice(1))
    const report = await verified(image)
    expect(report.ok).toBe(false)
    const told = brief(report)
    expect(told).toContain('error current-damaged CURRENT')
    for (const name of tables) expect(told).toContain(`error block-damaged ${name}`)
    for (const name of segments)
      expect(
        told.some((one) => one.endsWith(name) && one.includes(' log-')),
        name,
      ).toBe(true)
  })

  test('tells the keys of a damaged block', async () => {
    const [name] = namesOf(small.closed, 'sst')
    const { findings } = await verified(withFile(small.closed, name, flipped(bytesOf(small.closed, name), 0)))
    expect(findings).toHaveLength(1)
    const [{ code, offset, keys, sequences }] = findings
    expect({ code, offset }).toEqual({ code: 'block-damaged', offset: 0 })
    expect(Buffer.from(keys?.gte ?? []).toString()).toBe(keyOf(0))
    expect(Buffer.from(keys?.lte ?? []).toString() < keyOf(29)).toBe(true)
    expect(sequences?.first).toBeGreaterThan(0)
  })

  test('notes what a crash leaves, which is no damage', async () => {
    let image = withFile(small.crashed, '000999.sst', new Uint8Array(10))
    image = withFile(image, 'CURRENT.tmp', new Uint8Array(3))
    image = withFile(image, 'notes.txt', new Uint8Array(3))
    image = withFile(image, '000998.wal', new Uint8Array(0))
    const report = await verified(image)
    expect(report.ok, brief(report).join('\n')).toBe(true)
    expect(brief(report)).toEqual(
      expect.arrayContaining([
        'note table-left-over 000999.sst',
        'note temporary-file CURRENT.tmp',
        'note foreign-file notes.txt',
        'note log-left-over 000998.wal',
      ]),
    )
  })

  test('checks snapshots', async () => {
    const fileSystem = new MemoryFileSystem({ strict: false })
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    await store.set('key', 'value')
    await store.snapshot({ name: 'one' })
    await store.close()
    const image = await imageOf(fileSystem)
    expect(await verified(image)).toMatchObject({ ok: true, snapshots: 1 })
    const name = [...image.keys()].find((one) => one.startsWith('snapshots/') && one.endsWith('.sst')) ?? ''
    const damaged = withFile(
      withFile(image, name, flipped(bytesOf(image, name), 3)),
      'snapshots/one/SNAPSHOT',
      undefined,
    )
    expect(brief(await verified(damaged))).toEqual(
      expect.arrayContaining([
        'error snapshot-damaged snapshots/one/SNAPSHOT',
        `error block-damaged ${name}`,
      ]),
    )
  })

  test('tells how far it has come', async () => {
    const told: number[] = []
    const fileSystem = await diskOf(small.closed)
    const { files, bytes } = await verify(DIRECTORY, {
      fileSystem,
      onProgress: ({ filesDone, filesTotal, bytesDone, bytesTotal }) => {
        told.push(filesDone)
        expect(filesDone <= filesTotal && bytesDone <= bytesTotal).toBe(true)
        if (filesDone === filesTotal) expect(bytesDone).toBe(bytesTotal)
      },
    })
    expect(told).toEqual(Array.from({ length: files }, (_, i) => i + 1))
    expect(bytes).toBeGreaterThan(1000)
  })

  test('refuses an open store, and what is none', async () => {
    const fileSystem = new MemoryFileSystem()
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    onTestFinished(() => store.close())
    const codes: unknown[] = []
    await fileSystem.mkdir('/empty')
    for (const path of [DIRECTORY, '/nowhere', '/empty', '']) {
      codes.push(await verify(path, { fileSystem }).catch((error: VarveError) => error.code))
    }
    expect(codes).toEqual(['LOCKED', 'NOT_FOUND', 'NOT_FOUND', 'INVALID_ARGUMENT'])
  })
})

describe('store.verify', () => {
  test('finds nothing wrong while the store is written', async () => {
    const fileSystem = await diskOf(small.crashed)
    const store = await open<string, string>(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    onTestFinished(() => store.close())
    let isDone = false
    const writing = (async () => {
      for (let i = 0; !isDone; i++) {
        await store.set(keyOf(i % 40), `again ${i}`)
        if (i % 50 === 0) await store.flush()
        if (i % 100 === 0) await store.compact()
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let round = 0; round < 20; round++) {
      const report = await store.verify()
      expect(report.findings).toEqual([])
      expect(report.ok).toBe(true)
    }
    isDone = true
    await writing
  })

  test('finds nothing wrong with a snapshot that is deleted meanwhile', async () => {
    const faults = new FaultFileSystem(await diskOf(small.closed))
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(faults) })
    onTestFinished(() => store.close())
    for (const name of ['a', 'b']) await store.snapshot({ name })
    let deleted: Promise<unknown> | undefined
    faults.observe = ({ path }) => {
      if (path.includes('/snapshots/a/'))
        deleted ??= Promise.all(['a', 'b'].map((id) => store.deleteSnapshot(id)))
    }
    const report = await store.verify()
    expect(deleted).toBeDefined()
    await deleted
    expect(await store.snapshots()).toEqual([])
    expect(report).toMatchObject({ ok: true, findings: [], snapshots: 1 })
  })

  test('finds damage to tables and to the log under its feet', async () => {
    const fileSystem = await diskOf(small.closed)
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    onTestFinished(() => store.close().catch(() => undefined))
    await store.set('key', 'a value that is logged')
    const names = await fileSystem.readdir(DIRECTORY)
    const table = names.find((name) => name.endsWith('.sst')) ?? ''
    const segment =
      names
        .filter((name) => name.endsWith('.wal'))
        .sort()
        .at(-1) ?? ''
    for (const name of [table, segment]) {
      const file = await fileSystem.open(`${DIRECTORY}/${name}`, 'modify')
      file.writeSync(Uint8Array.of(0xff, 0xff, 0xff), 100)
      await file.close()
    }
    const told = brief(await store.verify())
    expect(told).toContain(`error block-damaged ${table}`)
    expect(told).toContain(`error log-damaged ${segment}`)
  })
})
