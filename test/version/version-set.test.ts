import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { manifestName, sstName, walName } from '../../src/base/file-names.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { readBesideWriter } from '../../src/version/beside-writer.js'
import { writeCheckpoint } from '../../src/version/checkpoint.js'
import { knownLog } from '../../src/version/manifest-state.js'
import { recoverState, storeExists } from '../../src/version/recover-state.js'
import { VersionSet } from '../../src/version/version-set.js'
import { DATABASE_ID, DIRECTORY, deletingSettings, stateOf, steps, take, writeTable } from './harness.js'
import { table } from './tables.js'

async function newStore() {
  const fileSystem = new FaultFileSystem(new MemoryFileSystem(), { log: true })
  await fileSystem.mkdir(DIRECTORY)
  await fileSystem.syncDir('/')
  const obsolete: number[] = []
  const errors: string[] = []
  const settings = {
    fileSystem,
    directory: DIRECTORY,
    onObsolete: (numbers: readonly number[]) => void obsolete.push(...numbers),
    onBackgroundError: (error: Error) => void errors.push(error.message),
  }
  const set = await VersionSet.create(settings, DATABASE_ID, { keyEncoding: 'utf8' })
  return { fileSystem, set, settings, obsolete, errors }
}

async function addTable(
  set: VersionSet,
  fileSystem: FaultFileSystem,
  level: number,
  from: number,
  to: number,
) {
  const added = table(set.nextFileNumber(), from, to, { sizeBytes: 8 })
  await writeTable(fileSystem, added)
  await set.logAndApply({ added: [{ level, table: added }], lastSequence: added.largestSequence })
  return added
}

describe('a version set', () => {
  test('tells with every edit, with the last one and in a fresh MANIFEST how much of the log is on the device', async () => {
    const { set, settings, fileSystem } = await newStore()
    await set.logAndApply({ logNumber: 7 })
    expect(knownLog(set)).toEqual({ number: 7, length: 0 })
    let length = 100
    set.syncedLog = () => ({ number: 7, length })
    await addTable(set, fileSystem, 0, 1, 9)
    expect(knownLog((await recoverState(fileSystem, DIRECTORY)).state)).toEqual({ number: 7, length: 100 })
    length = 250
    const before = fileSystem.log.filter(({ kind }) => kind === 'sync').length
    await set.close()
    expect(fileSystem.log.filter(({ kind }) => kind === 'sync').length - before, 'no sync more').toBe(2)
    expect(knownLog((await recoverState(fileSystem, DIRECTORY)).state)).toEqual({ number: 7, length: 250 })
    const again = await VersionSet.recover(settings)
    expect(knownLog((await recoverState(fileSystem, DIRECTORY)).state)).toEqual({ number: 7, length: 250 })
    await again.logAndApply({ logNumber: 20, logged: true })
    expect(knownLog(again)).toEqual({ number: 20, length: 0 })
    await again.logAndApply({ logged: false })
    expect(knownLog(again)).toBeUndefined()
    await again.close()
  })

  test('brings any history of edits back, with few syncs and with a roll after every edit', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.boolean(), fc.boolean(), async (history, rollOften, closes) => {
        const fileSystem = new MemoryFileSystem()
        await fileSystem.mkdir(DIRECTORY)
        const settings = deletingSettings(fileSystem, rollOften ? { maxEditBytes: 1 } : {})
        const set = await VersionSet.create(settings, DATABASE_ID)
        for (const step of history) await take(set, fileSystem, step)
        const [before, next] = [stateOf(set), set.peekFileNumber()]
        if (closes) await set.close()
        const { state } = await readBesideWriter(fileSystem, DIRECTORY, () =>
          recoverState(fileSystem, DIRECTORY),
        )
        expect(stateOf(state)).toBe(before)
        const again = await VersionSet.recover(settings)
        expect(stateOf(again)).toBe(before)
        expect(again.current.levels).toEqual(set.current.levels)
        expect(again.peekFileNumber()).toBeGreaterThanOrEqual(next)
        const orphans = again.collectOrphans(await fileSystem.readdir(DIRECTORY), () => true)
        expect(orphans).toEqual([])
        await again.close()
      }),
      { numRuns: 150 },
    )
  })

  test('remembers what belongs to the store', async () => {
    const { set, settings } = await newStore()
    await set.logAndApply({ properties: { values: 'json' }, lastSequence: 7 })
    await set.close()
    const again = await VersionSet.recover(settings)
    expect(again.properties).toEqual({ keyEncoding: 'utf8', values: 'json' })
    expect(again.databaseId).toEqual(DATABASE_ID)
    expect(again.lastSequence).toBe(7)
    expect(again.epoch).toBe(2)
  })

  test('lets edits that wait share one sync, in order, and refuses only the one that does not fit', async () => {
    const { set, fileSystem } = await newStore()
    const tables = [1, 2, 3].map((n) => table(set.nextFileNumber(), n * 10, n * 10 + 5))
    const before = fileSystem.log.filter(({ kind }) => kind === 'sync').length
    const results = await Promise.allSettled([
      set.logAndApply({ added: [{ level: 1, table: tables[0] }] }),
      set.logAndApply({ removed: [{ level: 3, number: 999 }] }),
      set.logAndApply({
        removed: [{ level: 1, number: tables[0].number }],
        added: [{ level: 2, table: tables[0] }],
      }),
      set.logAndApply({ added: [{ level: 1, table: tables[1] }] }),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(fileSystem.log.filter(({ kind }) => kind === 'sync').length - before).toBe(1)
    expect(set.current.levels[2]).toEqual([tables[0]])
    expect(set.current.levels[1]).toEqual([tables[1]])
    expect(set.failure).toBeUndefined()
  })

  test('publishes a version only when its edit is durable', async () => {
    const { set, fileSystem } = await newStore()
    const counts: number[] = []
    fileSystem.observe = ({ kind }) => {
      if (kind === 'sync') counts.push(set.current.tableCount)
    }
    await set.logAndApply({ added: [{ level: 1, table: table(set.nextFileNumber(), 1, 2) }] })
    expect(counts).toEqual([0])
    expect(set.current.tableCount).toBe(1)
  })

  test('tells an obsolete table when the last version that names it is let go', async () => {
    const { set, fileSystem, obsolete } = await newStore()
    const first = await addTable(set, fileSystem, 1, 1, 5)
    const withFirst = set.pinCurrent()
    const second = await addTable(set, fileSystem, 1, 10, 15)
    const withBoth = set.pinCurrent()
    await set.logAndApply({ removed: [{ level: 1, number: first.number }] })
    await set.logAndApply({ removed: [{ level: 1, number: second.number }] })
    expect(obsolete).toEqual([])
    withBoth.unpin()
    expect(obsolete).toEqual([second.number])
    withFirst.unpin()
    expect(obsolete).toEqual([second.number, first.number])
    expect(() => withFirst.unpin()).toThrow(/once for each pin/)
  })

  test('does not call a moved table obsolete', async () => {
    const { set, fileSystem, obsolete } = await newStore()
    const moved = await addTable(set, fileSystem, 1, 1, 5)
    await set.logAndApply({
      removed: [{ level: 1, number: moved.number }],
      added: [{ level: 2, table: moved }],
    })
    expect(obsolete).toEqual([])
    await set.logAndApply({ removed: [{ level: 2, number: moved.number }] })
    expect(obsolete).toEqual([moved.number])
  })

  test('never gives a number twice, not even that of a file that no edit tells of', async () => {
    const { set, fileSystem, settings } = await newStore()
    const stray = set.nextFileNumber() + 40
    const file = await fileSystem.open(`${DIRECTORY}/${walName(stray)}`, 'create')
    await file.close()
    await set.close()
    const again = await VersionSet.recover(settings)
    expect(again.nextFileNumber()).toBeGreaterThan(stray)
  })

  test('collects what no version needs and nothing else', async () => {
    const { set, fileSystem, settings } = await newStore()
    const kept = await addTable(set, fileSystem, 1, 1, 5)
    await set.close()
    const again = await VersionSet.recover(settings)
    const fresh = again.nextFileNumber()
    const listing = [
      'CURRENT', 'LOCK', 'notes.txt', '1.sst', 'CURRENT.tmp', '000777.sst.tmp', manifestName(1), sstName(kept.number),
      sstName(1), walName(1), walName(2), sstName(fresh), walName(fresh), manifestName(fresh - 1),
    ] // biome-ignore format: one list
    expect(again.collectOrphans(listing, (number) => number === 2)).toEqual([
      'CURRENT.tmp',
      '000777.sst.tmp',
      manifestName(1),
      sstName(1),
      walName(1),
    ])
  })

  test('reads without writing anything', async () => {
    const { set, fileSystem } = await newStore()
    await addTable(set, fileSystem, 1, 1, 5)
    const before = fileSystem.log.length
    const { state } = await recoverState(fileSystem, DIRECTORY)
    const kinds = new Set(fileSystem.log.slice(before).map(({ kind }) => kind))
    expect(stateOf(state)).toBe(stateOf(set))
    for (const kind of ['write', 'sync', 'syncDir', 'rename', 'unlink', 'truncate'])
      expect(kinds).not.toContain(kind)
  })

  test('survives a full disk without a reopen', async () => {
    const { set, fileSystem, settings, errors } = await newStore()
    await addTable(set, fileSystem, 1, 1, 5)
    const added = table(set.nextFileNumber(), 10, 20, { sizeBytes: 8 })
    await writeTable(fileSystem, added)
    for (let room = 0; room < 60; room += 7) {
      fileSystem.byteQuota = fileSystem.bytesWritten + room
      await expect(set.logAndApply({ added: [{ level: 1, table: added }] })).rejects.toMatchObject({
        code: 'NO_SPACE',
      })
      expect(set.current.tableCount).toBe(1)
    }
    fileSystem.byteQuota = Number.POSITIVE_INFINITY
    await set.logAndApply({ lastSequence: 9_999 })
    await set.logAndApply({ added: [{ level: 1, table: added }] })
    await set.close()
    const again = await VersionSet.recover(settings)
    expect(again.current.tableCount).toBe(2)
    expect(errors).toEqual([])
  })

  test('survives a full disk while the MANIFEST is rolled', async () => {
    const { fileSystem, set: first, settings, errors } = await newStore()
    await first.close()
    const set = await VersionSet.recover({ ...settings, maxEditBytes: 100 })
    for (let round = 0; round < 40; round++) {
      fileSystem.byteQuota = fileSystem.bytesWritten + 90 + round * 12
      await set.logAndApply({ lastSequence: round }).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'NO_SPACE' })
      })
    }
    fileSystem.byteQuota = Number.POSITIVE_INFINITY
    await set.logAndApply({ lastSequence: 1_000 })
    expect(set.failure).toBeUndefined()
    expect(errors.length).toBeGreaterThan(0)
    await set.close()
    expect((await VersionSet.recover(settings)).lastSequence).toBe(1_000)
    expect(fileSystem.openCount).toBe(1)
  })

  test('refuses every edit after a failed sync and deletes nothing more', async () => {
    const { set, fileSystem, settings, obsolete } = await newStore()
    const first = await addTable(set, fileSystem, 1, 1, 5)
    const pinned = set.pinCurrent()
    await set.logAndApply({ removed: [{ level: 1, number: first.number }] })
    fileSystem.fail({ kind: 'sync', errno: 'EIO', dropUnsynced: true })
    await expect(set.logAndApply({ lastSequence: 5_000 })).rejects.toMatchObject({ code: 'IO_ERROR' })
    await expect(set.logAndApply({ lastSequence: 6_000 })).rejects.toMatchObject({
      code: 'READ_ONLY',
      cause: set.failure,
    })
    pinned.unpin()
    expect(obsolete).toEqual([])
    await set.close()
    const again = await VersionSet.recover(settings)
    await again.logAndApply({ lastSequence: 7_000 })
    expect(again.lastSequence).toBe(7_000)
  })

  test('restarts behind a failed sync: the edit is out for good, its table goes, and that of which it is open does not before', async () => {
    for (const dropUnsynced of [false, true]) {
      const { set, fileSystem, settings, obsolete } = await newStore()
      const first = await addTable(set, fileSystem, 1, 1, 5)
      const before = stateOf(set)
      fileSystem.fail({ kind: 'sync', path: /MANIFEST/, dropUnsynced })
      const second = table(set.nextFileNumber(), 6, 9, { sizeBytes: 8 })
      await writeTable(fileSystem, second)
      const edit = {
        removed: [{ level: 1, number: first.number }],
        added: [
          { level: 1, table: second },
          { level: 2, table: first },
        ],
      }
      await expect(set.logAndApply(edit)).rejects.toMatchObject({ code: 'IO_ERROR' })
      // A failure of the restart decides nothing.
      for (const spec of [
        { kind: 'open' },
        { kind: 'sync' },
        { kind: 'rename' },
        { kind: 'syncDir', after: 1 },
      ] as const) {
        fileSystem.fail(spec)
        await expect(set.restart()).rejects.toMatchObject({ code: 'IO_ERROR' })
        await expect(set.logAndApply({})).rejects.toMatchObject({ code: 'READ_ONLY' })
        expect(obsolete).toEqual([])
      }
      await set.restart()
      expect(set.failure).toBeUndefined()
      expect(stateOf(set)).toBe(before)
      expect(obsolete).toEqual([second.number])
      expect(stateOf((await recoverState(fileSystem, DIRECTORY)).state)).toBe(before)
      const names = await fileSystem.readdir(DIRECTORY)
      expect(names.filter((name) => name.startsWith('MANIFEST')).length).toBe(1)
      await set.logAndApply({ lastSequence: 8_000 })
      await set.close()
      expect(fileSystem.openCount).toBe(0)
      expect((await VersionSet.recover(settings)).lastSequence).toBe(8_000)
    }
  })

  test('restarts when it is open which CURRENT is there', async () => {
    const { set, fileSystem, settings } = await newStore()
    await set.close()
    const again = await VersionSet.recover({ ...settings, maxEditBytes: 60 })
    fileSystem.fail({ kind: 'syncDir', after: 1 })
    let code: string | undefined
    for (let round = 1; code === undefined; round++) {
      await again.logAndApply({ lastSequence: round }).catch((error) => {
        code = error.code
      })
    }
    expect(code).toBe('READ_ONLY')
    await again.restart()
    await again.logAndApply({ lastSequence: 200 })
    await again.close()
    expect((await VersionSet.recover(settings)).lastSequence).toBe(200)
  })

  test('fails each operation in turn: an edit counts, or it does not, and a reopen works', async () => {
    for (let after = 0; ; after++) {
      const { fileSystem, set: first, settings } = await newStore()
      await first.logAndApply({ lastSequence: 1 })
      await first.close()
      const fault = fileSystem.fail({ after, errno: 'EIO', dropUnsynced: true })
      let told = 1
      let tried = 1
      let set: VersionSet | undefined
      try {
        set = await VersionSet.recover({ ...settings, maxEditBytes: 60 })
        for (tried = 2; tried <= 6; tried++) {
          await set.logAndApply({ lastSequence: tried })
          told = tried
        }
        tried = 6
        await set.close()
      } catch (error) {
        expect(error).toMatchObject({ name: 'VarveError', code: 'IO_ERROR' })
      }
      await set?.close()
      expect(fileSystem.openCount).toBe(0)
      fileSystem.heal()
      const again = await VersionSet.recover(settings)
      expect(again.lastSequence).toBeGreaterThanOrEqual(told)
      expect(again.lastSequence).toBeLessThanOrEqual(tried)
      await again.close()
      if (fault.struck === 0) return expect(after).toBeGreaterThan(40)
    }
  })

  test('writes a checkpoint that opens as a store', async () => {
    const { set, fileSystem, settings } = await newStore()
    const one = await addTable(set, fileSystem, 1, 1, 5)
    await fileSystem.mkdir('/checkpoint')
    const captured = set.capture()
    await fileSystem.link(`${DIRECTORY}/${sstName(one.number)}`, `/checkpoint/${sstName(one.number)}`)
    await set.logAndApply({ removed: [{ level: 1, number: one.number }] })
    await writeCheckpoint(fileSystem, '/checkpoint', set.databaseId, set.epoch, captured)
    captured.version.unpin()
    const copy = await VersionSet.recover({ ...settings, directory: '/checkpoint' })
    expect(copy.current.levels[1]).toEqual([one])
    expect(copy.lastSequence).toBe(one.largestSequence)
    expect(copy.logged).toBe(false)
  })
})

describe('a directory', () => {
  test('without a store, or with one whose creation was cut short, holds none', async () => {
    const fileSystem = new MemoryFileSystem()
    await fileSystem.mkdir(DIRECTORY)
    expect(await storeExists(fileSystem, DIRECTORY)).toBe(false)
    await expect(VersionSet.recover({ fileSystem, directory: DIRECTORY })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    })
    const failing = new FaultFileSystem(fileSystem)
    failing.fail({ kind: 'rename' })
    await expect(VersionSet.create(deletingSettings(failing), DATABASE_ID)).rejects.toMatchObject({
      code: 'IO_ERROR',
    })
    expect(await fileSystem.readdir(DIRECTORY)).toContain(manifestName(1))
    expect(await storeExists(fileSystem, DIRECTORY)).toBe(false)
    const set = await VersionSet.create(deletingSettings(fileSystem), DATABASE_ID)
    expect(await storeExists(fileSystem, DIRECTORY)).toBe(true)
    expect(set.collectOrphans(await fileSystem.readdir(DIRECTORY), () => true)).toEqual([manifestName(1)])
  })

  test('without CURRENT beside files of the store is damaged', async () => {
    for (const name of [walName(3), sstName(4)]) {
      const fileSystem = new MemoryFileSystem()
      await fileSystem.mkdir(DIRECTORY)
      await (await fileSystem.open(`${DIRECTORY}/${name}`, 'create')).close()
      await expect(storeExists(fileSystem, DIRECTORY)).rejects.toMatchObject({ code: 'CORRUPTION' })
    }
    const { set, fileSystem } = await newStore()
    await set.logAndApply({ lastSequence: 1 })
    await fileSystem.unlink(`${DIRECTORY}/CURRENT`)
    await expect(storeExists(fileSystem, DIRECTORY)).rejects.toMatchObject({ code: 'CORRUPTION' })
  })
})
