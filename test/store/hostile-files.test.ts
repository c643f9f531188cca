/** Files that somebody else put into a store's directory, or in the place of the store's own. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { open, verify } from '../../src/index.js'
import { InlineExecutor, MemoryFileSystem } from '../../src/testing.js'
import { DIRECTORY, openText, TINY } from './stores.js'

/** Almost names of the store's. */
const FOREIGN = [
  '000001.wal.old',
  '1.wal',
  '0000001.wal',
  '000000.sst',
  '9007199254740993.sst',
  '000004.SST',
  'MANIFEST',
  'MANIFEST-1',
  'MANIFEST-000001~',
  'CURRENT.old',
  'current',
  '000003.sst\n',
  '__proto__',
  '.hidden',
]

test('a name that the store did not give is never touched', async () => {
  const fileSystem = new MemoryFileSystem()
  const bytes = Buffer.from('somebody else’s')
  for (let round = 0; round < 3; round++) {
    const store = await openText({ ...TINY, fileSystem })
    if (round === 0) {
      for (const name of FOREIGN) {
        const file = fileSystem.openSync(`${DIRECTORY}/${name}`, 'create')
        file.writeSync(bytes, 0)
        file.closeSync()
      }
    }
    for (let i = 0; i < 50; i++) await store.set(`key${i}`, `${round}`.repeat(50))
    await store.flush()
    await store.compact()
    await store.clear()
    await store.close()
  }
  for (const name of FOREIGN) {
    const found = new Uint8Array(bytes.length)
    const file = fileSystem.openSync(`${DIRECTORY}/${name}`, 'read')
    expect(await file.size(), name).toBe(bytes.length)
    file.readSync(found, 0)
    file.closeSync()
    expect(Buffer.from(found), name).toEqual(bytes)
  }
  const { ok, findings } = await verify(DIRECTORY, { fileSystem })
  expect(ok).toBe(true)
  expect(findings.map(({ code, file }) => `${code} ${file}`).sort()).toEqual(
    FOREIGN.map((name) => `foreign-file ${name}`).sort(),
  )
})

test('a newer MANIFEST of another store does no harm', async () => {
  const other = new MemoryFileSystem()
  for (let round = 0; round < 3; round++) {
    const store = await openText({ ...TINY, fileSystem: other })
    await store.set('key', 'theirs')
    await store.close()
  }
  const fileSystem = new MemoryFileSystem()
  const own = await openText({ ...TINY, fileSystem })
  await own.set('key', 'ours')
  await own.close()
  const [name] = (await other.readdir(DIRECTORY)).filter((one) => one.startsWith('MANIFEST')).reverse()
  expect(await fileSystem.readdir(DIRECTORY)).not.toContain(name)
  const theirs = other.openSync(`${DIRECTORY}/${name}`, 'read')
  const bytes = new Uint8Array(await theirs.size())
  theirs.readSync(bytes, 0)
  const copy = fileSystem.openSync(`${DIRECTORY}/${name}`, 'create')
  copy.writeSync(bytes, 0)
  copy.closeSync()
  const { ok, findings } = await verify(DIRECTORY, { fileSystem })
  expect({ ok, codes: findings.map(({ code }) => code) }).toEqual({ ok: true, codes: ['manifest-left-over'] })
  const again = await openText({ ...TINY, fileSystem })
  expect(await again.get('key')).toBe('ours')
})

test.skipIf(process.platform === 'win32').each(['CURRENT', 'MANIFEST', '.sst', '.wal'])(
  'a link in the place of %s leads nowhere',
  async (kind) => {
    const root = await mkdtemp(join(tmpdir(), 'varve-links-'))
    const path = join(root, 'store')
    const options = { ...TINY, executor: new InlineExecutor(), valueEncoding: 'utf8' } as const
    try {
      const store = await open(path, options)
      await store.set('key', 'value')
      await store.flush()
      await store.set('other', 'value')
      const names = await readdir(path)
      await store.close()
      const name = names.find((one) => one.includes(kind)) ?? ''
      // What is outside is the very file, so that nothing but the link can be the matter.
      const outside = join(root, 'outside')
      await rename(join(path, name), outside)
      await symlink(outside, join(path, name))
      const before = await readFile(outside)
      const refusal = { code: 'CORRUPTION' }
      const reading = async (): Promise<void> => {
        const opened = await open(path, options)
        await opened.get('key').finally(() => opened.close())
      }
      await expect(reading()).rejects.toMatchObject(refusal)
      expect(await readFile(outside)).toEqual(before)
      expect((await verify(path)).ok).toBe(false)
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  },
)

test("'json' takes __proto__ for a property like any other", async () => {
  const fileSystem = new MemoryFileSystem()
  const written = await open(DIRECTORY, { ...TINY, fileSystem, executor: new InlineExecutor() })
  await written.set('key', Buffer.from('{"__proto__":{"polluted":true}}'))
  await written.close()
  const read = await open(DIRECTORY, { ...TINY, fileSystem, valueEncoding: 'json' })
  const value = await read.get('key')
  expect(Object.keys(value as object)).toEqual(['__proto__'])
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect({}).not.toHaveProperty('polluted')
  await read.close()
})

test("'msgpack' makes no records, references or pointers out of what a file holds", async () => {
  const fileSystem = new MemoryFileSystem()
  const hostile = {
    // Records, for which the decoder would compile code; an array that holds itself; strings that begin elsewhere.
    record: [0x95, 0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01, 0x40, 0x02, 0x40, 0x03, 0x40, 0x04],
    reference: [0xd6, 0x69, 0, 0, 0, 1, 0x91, 0xd6, 0x70, 0, 0, 0, 1],
    bundle: [0xd6, 0x62, 0xff, 0xff, 0xff, 0x00, 0xc1, 0x01],
    recordAlone: [0x92, 0xd4, 0x72, 0x40, 0xc0],
    referenceAlone: [0x92, 0xd6, 0x70, 0, 0, 0, 1, 0xc0],
    bundleAlone: [0x92, 0xd6, 0x62, 0, 0, 0, 1, 0xc0],
    unknown: [0x92, 0xd4, 0x01, 0x40, 0xc0],
    huge: [0xdd, 0xff, 0xff, 0xff, 0xff],
    errors: [0xd4, 0x65, 0x00, 0x93, 0x91, 0xab, ...Buffer.from('constructor'), 0xa1, 0x78, 0xc0],
    error: [0xd4, 0x65, 0x00, 0x93, 0xab, ...Buffer.from('constructor'), 0xa1, 0x78, 0xc0],
  }
  const written = await open(DIRECTORY, { ...TINY, fileSystem, executor: new InlineExecutor() })
  for (const [key, bytes] of Object.entries(hostile)) await written.set(key, Buffer.from(bytes))
  await written.set('proto', Buffer.from([0x81, 0xa9, ...Buffer.from('__proto__'), 0x81, 0xa1, 0x61, 0xc3]))
  await written.close()
  const read = await open(DIRECTORY, { ...TINY, fileSystem, valueEncoding: 'msgpack' })
  for (const key of Object.keys(hostile))
    await expect(read.get(key), key).rejects.toMatchObject({ code: 'INVALID_VALUE' })
  const value = await read.get('proto')
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(value).not.toHaveProperty('a')
  await read.close()
})

test.skipIf(process.platform === 'win32')(
  'links among the snapshots lead nowhere: nothing behind them is listed or deleted',
  async () => {
    const root = await mkdtemp(join(tmpdir(), 'varve-links-'))
    const path = join(root, 'store')
    const outside = join(root, 'outside')
    const options = { ...TINY, executor: new InlineExecutor(), valueEncoding: 'utf8' } as const
    try {
      const store = await open(path, options)
      await store.set('key', 'value')
      await store.snapshot({ name: 'kept' })
      await store.close()
      await rename(join(path, 'snapshots'), outside)
      await mkdir(join(outside, 'work.tmp'))
      await writeFile(join(outside, 'work.tmp', '000001.sst'), 'not ours')
      await symlink(outside, join(path, 'snapshots'))
      const linked = await open(path, options)
      expect(await linked.snapshots()).toEqual([])
      await expect(linked.snapshot({ name: 'new' })).rejects.toMatchObject({ code: 'IO_ERROR' })
      await linked.close()
      expect((await readdir(outside)).sort()).toEqual(['kept', 'work.tmp'])
      // A snapshot that is a link itself is none of the store's either.
      await rm(join(path, 'snapshots'))
      await mkdir(join(path, 'snapshots'))
      await symlink(join(outside, 'kept'), join(path, 'snapshots', 'alias'))
      const aliased = await open(path, options)
      await expect(aliased.deleteSnapshot('alias')).rejects.toMatchObject({ code: 'NOT_FOUND' })
      await aliased.close()
      expect(await readdir(join(outside, 'kept'))).toContain('CURRENT')
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  },
)
