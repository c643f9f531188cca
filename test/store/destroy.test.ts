/** Destroying: everything of the store goes, nothing else, and nothing in between is taken for a store. */
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import * as path from 'node:path'
import { describe, expect, test } from 'vitest'
import { destroy, open } from '../../src/index.js'
import { FaultFileSystem, type FileSystem, InlineExecutor, MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import { checkFilled, codeOf, DIRECTORY, fill, openText, TINY, temporaryDirectory } from './stores.js'

/** A closed store of 100 entries with a snapshot that was opened, and what a crash has left of another one. */
async function makeStore(fileSystem: FileSystem, directory = DIRECTORY): Promise<void> {
  const store = await openText({ ...TINY, path: directory, fileSystem, executor: new InlineExecutor() })
  await fill(store, 0, 60)
  const { path: snapshot } = await store.snapshot({ name: 'one' })
  await fill(store, 60, 100)
  await store.close()
  const copy = await openText({ ...TINY, path: snapshot, fileSystem, executor: new InlineExecutor() })
  await fill(copy, 200, 210)
  await copy.snapshot({ name: 'inner' })
  await copy.close()
  await fileSystem.mkdir(`${directory}/snapshots/two.tmp`)
}

async function put(fileSystem: FileSystem, name: string): Promise<void> {
  const file = await fileSystem.open(name, 'create')
  file.writeSync(Buffer.from('mine'), 0)
  await file.close()
}

/** All files and directories below `directory`. */
async function tree(fileSystem: FileSystem, directory = DIRECTORY): Promise<string[]> {
  const found: string[] = []
  for (const name of (await fileSystem.readdir(directory)).sort()) {
    const inside = `${directory}/${name}`
    found.push(inside)
    if ((await fileSystem.stat(inside))?.kind === 'directory') found.push(...(await tree(fileSystem, inside)))
  }
  return found
}

describe('destroy', () => {
  test('deletes the store, its snapshots and its directory', async () => {
    const fileSystem = new MemoryFileSystem()
    await makeStore(fileSystem)
    const files = (await tree(fileSystem)).filter((name) => !/snapshots|inner$|one$|two/.test(name))
    const { files: count, bytes, left } = await destroy(DIRECTORY, { fileSystem })
    expect(left).toEqual([])
    expect(count).toBeGreaterThan(files.length)
    expect(bytes).toBeGreaterThan(5000)
    expect(await fileSystem.stat(DIRECTORY)).toBeUndefined()
    expect(await codeOf(() => open(DIRECTORY, { fileSystem, createIfMissing: false }))).toBe('NOT_FOUND')
    const store = await openText({ fileSystem })
    expect(await store.count()).toBe(0)
    expect(await store.snapshots()).toEqual([])
  })

  test('leaves what is not the store’s, and says so', async () => {
    const fileSystem = new MemoryFileSystem()
    await makeStore(fileSystem)
    const foreign = [
      'notes.txt',
      '000007.log',
      'snapshots/readme',
      'snapshots/mine/photo.jpg',
      'snapshots/one/notes.txt',
      '999999.sst/file',
    ]
    const empty = 'snapshots/my empty one'
    for (const name of ['snapshots/mine', empty, '999999.sst']) await fileSystem.mkdir(`${DIRECTORY}/${name}`)
    for (const name of foreign) await put(fileSystem, `${DIRECTORY}/${name}`)
    const { left } = await destroy(DIRECTORY, { fileSystem })
    expect(left).toEqual([
      '000007.log',
      '999999.sst',
      'notes.txt',
      'snapshots/mine',
      empty,
      'snapshots/one/notes.txt',
      'snapshots/readme',
    ])
    expect(await tree(fileSystem)).toEqual(
      [...foreign, empty, '999999.sst', 'snapshots', 'snapshots/mine', 'snapshots/one']
        .map((name) => `${DIRECTORY}/${name}`)
        .sort(),
    )
    expect(await codeOf(() => destroy(DIRECTORY, { fileSystem }))).toBe('NOT_FOUND')
  })

  test('refuses a store that is open, and one with an open snapshot; then nothing is gone', async () => {
    const fileSystem = new MemoryFileSystem()
    await makeStore(fileSystem)
    const store = await openText({ ...TINY, fileSystem })
    expect(await codeOf(() => destroy(DIRECTORY, { fileSystem }))).toBe('LOCKED')
    await checkFilled(store, 0, 100)
    await store.close()
    const before = await tree(fileSystem)
    const snapshot = await openText({ ...TINY, path: `${DIRECTORY}/snapshots/one`, fileSystem })
    const whileOpen = await tree(fileSystem)
    expect(await codeOf(() => destroy(DIRECTORY, { fileSystem }))).toBe('LOCKED')
    expect(await tree(fileSystem)).toEqual(whileOpen)
    await snapshot.close()
    expect(before.length).toBeGreaterThan(10)
    await destroy(DIRECTORY, { fileSystem })
  })

  test('says that there is no store, and touches nothing', async () => {
    const fileSystem = new MemoryFileSystem()
    expect(await codeOf(() => destroy(DIRECTORY, { fileSystem }))).toBe('NOT_FOUND')
    await fileSystem.mkdir(`${DIRECTORY}/snapshots/photos`)
    await put(fileSystem, `${DIRECTORY}/draft.tmp`)
    await put(fileSystem, `${DIRECTORY}/snapshots/photos/one.jpg`)
    const before = await tree(fileSystem)
    expect(await codeOf(() => destroy(DIRECTORY, { fileSystem }))).toBe('NOT_FOUND')
    expect(await tree(fileSystem)).toEqual(before)
    expect(await codeOf(() => destroy('', { fileSystem }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf(() => destroy(7 as unknown as string))).toBe('INVALID_ARGUMENT')
  })

  test('destroys a snapshot by its path, and a damaged store', async () => {
    const fileSystem = new MemoryFileSystem()
    await makeStore(fileSystem)
    await destroy(`${DIRECTORY}/snapshots/one`, { fileSystem })
    const store = await openText({ ...TINY, fileSystem })
    expect(await store.snapshots()).toEqual([])
    await checkFilled(store, 0, 100)
    await store.close()
    await fileSystem.unlink(`${DIRECTORY}/CURRENT`)
    expect(await codeOf(() => open(DIRECTORY, { fileSystem }))).toBe('CORRUPTION')
    expect((await destroy(DIRECTORY, { fileSystem })).left).toEqual([])
  })

  test('a read-only store goes on with the tables that it has', async () => {
    const fileSystem = new MemoryFileSystem()
    await makeStore(fileSystem)
    const reader = await open<string, string>(DIRECTORY, {
      ...TINY,
      valueEncoding: 'utf8',
      fileSystem,
      readOnly: true,
    })
    await destroy(DIRECTORY, { fileSystem })
    await checkFilled(reader, 0, 100)
    expect(await codeOf(() => reader.refresh())).toBe('NOT_FOUND')
    await reader.close()
  })

  test.each(['nothing', 'all', 'random', 'names', 'unlinks-first'] as const)(
    'a crash at any moment leaves a whole store, or none (%s)',
    async (profile) => {
      const made = new MemoryFileSystem()
      await makeStore(made)
      const chance = randomFrom(5)
      let sawNone = 0
      let sawWhole = 0
      for (let point = 0; ; point++) {
        let changes = 0
        let crashed: MemoryFileSystem | undefined
        const memory = made.crash('all', chance)
        const watched = new FaultFileSystem(memory, {
          observe: ({ kind }) => {
            if (!['unlink', 'rmdir', 'syncDir'].includes(kind)) return
            if (changes++ === point) crashed = memory.crash(profile, chance)
          },
        })
        await destroy(DIRECTORY, { fileSystem: watched })
        if (crashed === undefined) break
        const left = crashed
        const code = await codeOf(async () => {
          const store = await openText({ ...TINY, fileSystem: left, createIfMissing: false })
          await checkFilled(store, 0, 100)
          await store.close()
        })
        if (code === undefined) sawWhole++
        else sawNone++
        expect([undefined, 'CORRUPTION', 'NOT_FOUND']).toContain(code)
        const again = await codeOf(() => destroy(DIRECTORY, { fileSystem: left }))
        if (again !== undefined) expect(again).toBe('NOT_FOUND')
        const fresh = await openText({ fileSystem: left })
        expect([await fresh.count(), await fresh.snapshots()]).toEqual([0, []])
        await fresh.close()
      }
      expect(sawWhole).toBeGreaterThan(0)
      expect(sawNone).toBeGreaterThan(5)
    },
  )

  test('any failure is typed, and destroying again finishes', async () => {
    const made = new MemoryFileSystem()
    await makeStore(made)
    let failures = 0
    for (let point = 0; ; point++) {
      const fileSystem = new FaultFileSystem(made.crash('all', randomFrom(1)))
      const fault = fileSystem.fail({ errno: 'EACCES', after: point })
      const code = await codeOf(() => destroy(DIRECTORY, { fileSystem }))
      if (fault.struck === 0) break
      failures++
      expect(['IO_ERROR', undefined]).toContain(code)
      fault.cancel()
      const again = await codeOf(() => destroy(DIRECTORY, { fileSystem }))
      if (again !== undefined) expect(again).toBe('NOT_FOUND')
      expect(((await fileSystem.stat(DIRECTORY)) && (await tree(fileSystem))) ?? []).toEqual([])
    }
    expect(failures).toBeGreaterThan(30)
  })

  test('does not follow links out of the directory', async () => {
    const directory = await temporaryDirectory()
    const [data, elsewhere] = [path.join(directory, 'data'), path.join(directory, 'elsewhere')]
    const store = await open(data)
    await store.close()
    await mkdir(path.join(elsewhere, 'one'), { recursive: true })
    for (const name of ['000001.sst', 'one/CURRENT']) await writeFile(path.join(elsewhere, name), 'mine')
    await symlink(elsewhere, path.join(data, 'snapshots'))
    await symlink(path.join(elsewhere, '000001.sst'), path.join(data, '000777.sst'))
    expect((await destroy(data)).left).toEqual([])
    expect(await readdir(directory)).toEqual(['elsewhere'])
    expect(await readFile(path.join(elsewhere, 'one/CURRENT'), 'utf8')).toBe('mine')
    expect(await readFile(path.join(elsewhere, '000001.sst'), 'utf8')).toBe('mine')
  })
})
