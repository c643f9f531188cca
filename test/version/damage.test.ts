import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { fileSalt } from '../../src/base/checksum.js'
import { VarveError } from '../../src/base/errors.js'
import { manifestName, parseFileName, sstName } from '../../src/base/file-names.js'
import { type FileSystem, writeFullySync } from '../../src/env/file-system.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { RecordReader } from '../../src/record/record-reader.js'
import { MANIFEST_HEADER_LENGTH, ManifestRecord } from '../../src/version/manifest-format.js'
import { recoverState } from '../../src/version/recover-state.js'
import { VersionSet } from '../../src/version/version-set.js'
import { DATABASE_ID, DIRECTORY, deletingSettings, stateOf, writeTable } from './harness.js'
import { table } from './tables.js'

type Files = Map<string, Uint8Array>

/** Every file of the store, byte for byte. */
async function filesOf(fileSystem: FileSystem): Promise<Files> {
  const files: Files = new Map()
  for (const name of await fileSystem.readdir(DIRECTORY)) {
    const file = await fileSystem.open(`${DIRECTORY}/${name}`, 'read')
    const bytes = new Uint8Array(await file.size())
    await file.read(bytes, 0)
    files.set(name, bytes)
  }
  return files
}

/** What recovery makes of `files`: its state, or the code of its error, which names a file. */
async function outcome(files: Files): Promise<string> {
  const fileSystem = new MemoryFileSystem({ strict: false })
  await fileSystem.mkdir(DIRECTORY)
  for (const [name, bytes] of files) {
    const file = await fileSystem.open(`${DIRECTORY}/${name}`, 'create')
    writeFullySync(file, bytes, 0)
    await file.close()
  }
  try {
    return stateOf((await recoverState(fileSystem, DIRECTORY)).state)
  } catch (error) {
    if (!(error instanceof VarveError)) throw error
    if (error.code === 'CORRUPTION') expect(error.path).toContain(DIRECTORY)
    return error.code
  }
}

function withFile(files: Files, name: string, bytes: Uint8Array | undefined): Files {
  const changed = new Map(files)
  if (bytes === undefined) changed.delete(name)
  else changed.set(name, bytes)
  return changed
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] ^= 1 << (bit & 7)
  return copy
}

const states: string[] = []
let open: Files
let closed: Files
let reopened: Files
let manifest: string
let bytes: Uint8Array

/** Where each record of the MANIFEST ends, with its type. */
const records: { start: number; end: number; type: number }[] = []

beforeAll(async () => {
  const fileSystem = new MemoryFileSystem({ strict: false })
  await fileSystem.mkdir(DIRECTORY)
  const settings = { fileSystem, directory: DIRECTORY }
  const set = await VersionSet.create(settings, DATABASE_ID, { keyEncoding: 'utf8' })
  states.push(stateOf(set))
  for (let round = 0; round < 3; round++) {
    const added = table(set.nextFileNumber(), round * 10, round * 10 + 5, { sizeBytes: 8 })
    await writeTable(fileSystem, added)
    await set.logAndApply({ added: [{ level: 2, table: added }], flushedSequence: round + 1 })
    states.push(stateOf(set))
  }
  open = await filesOf(fileSystem)
  manifest = manifestName(1)
  bytes = open.get(manifest) ?? new Uint8Array(0)
  const reader = new RecordReader(bytes, fileSalt(DATABASE_ID, 1), manifest)
  reader.seek(MANIFEST_HEADER_LENGTH)
  while (reader.next() === 'record')
    records.push({ start: reader.offset, end: reader.nextOffset, type: reader.type })
  await set.close()
  closed = await filesOf(fileSystem)
  const again = await VersionSet.recover(settings)
  await again.logAndApply({ lastSequence: 1_000 })
  reopened = await filesOf(fileSystem)
  await again.close()
})

/** The state that the first `length` bytes of the MANIFEST tell; `undefined` when the snapshot is not whole. */
function stateAt(length: number): string | undefined {
  const whole = records.filter(({ end }) => end <= length)
  if (!whole.some(({ type }) => type === ManifestRecord.snapshotEnd)) return undefined
  return states[whole.filter(({ type }) => type === ManifestRecord.edits).length]
}

describe('damage', () => {
  test('none: every state comes back', async () => {
    expect(await outcome(open)).toBe(states[3])
    expect(await outcome(closed)).toBe(states[3])
    expect(records.map(({ type }) => type)).toEqual([2, 4, 3, 4, 3, 4, 3, 4])
  })

  test('a MANIFEST cut at any byte is a torn tail behind the snapshot, CORRUPTION in it', async () => {
    for (let length = 0; length < bytes.length; length++) {
      const result = await outcome(withFile(open, manifest, bytes.slice(0, length)))
      expect(result, `cut at ${length}`).toBe(stateAt(length) ?? 'CORRUPTION')
    }
  })

  test('a closed MANIFEST cut at any byte is CORRUPTION', async () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(await outcome(withFile(closed, manifest, bytes.slice(0, length))), `cut at ${length}`).toBe(
        'CORRUPTION',
      )
    }
  })

  test('a flipped bit of a MANIFEST is CORRUPTION, but in the last mark, which tells nothing new', async () => {
    const last = records[records.length - 1].start
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const result = await outcome(withFile(open, manifest, flipped(bytes, bit)))
      expect(result, `bit ${bit}`).toBe(bit >> 3 < last ? 'CORRUPTION' : states[3])
    }
  })

  test('a flipped bit of a closed MANIFEST is CORRUPTION', async () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      expect(await outcome(withFile(closed, manifest, flipped(bytes, bit))), `bit ${bit}`).toBe('CORRUPTION')
    }
  })

  test('blank bytes in a MANIFEST are CORRUPTION where something synced stood', async () => {
    for (let start = 0; start < bytes.length; start += 8) {
      const blank = bytes.slice().fill(0, start, start + 64)
      const result = await outcome(withFile(open, manifest, blank))
      const isTail = start + 64 > records[records.length - 1].start
      expect(isTail ? [stateAt(start), 'CORRUPTION'] : ['CORRUPTION'], `blank at ${start}`).toContain(result)
      expect(await outcome(withFile(closed, manifest, blank))).toBe('CORRUPTION')
    }
  })

  test('garbage behind a MANIFEST is a torn tail, but CORRUPTION once it was closed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), async (garbage) => {
        const longer = Uint8Array.from([...bytes, ...garbage])
        expect(await outcome(withFile(open, manifest, longer))).toBe(states[3])
        expect(await outcome(withFile(closed, manifest, longer))).toBe('CORRUPTION')
      }),
    )
  })

  test('records of another time at the same place do not pass', async () => {
    const moved = bytes.slice()
    const [first, second] = records.filter(({ type }) => type === ManifestRecord.edits)
    moved.set(bytes.subarray(first.start, first.end), second.start)
    expect(await outcome(withFile(open, manifest, moved))).toBe('CORRUPTION')
  })

  test.each(['cut', 'flipped', 'longer', 'missing'])('CURRENT %s is CORRUPTION', async (kind) => {
    const current = open.get('CURRENT') ?? new Uint8Array(0)
    const damaged: (Uint8Array | undefined)[] = []
    if (kind === 'cut')
      for (let length = 0; length < current.length; length++) damaged.push(current.slice(0, length))
    if (kind === 'flipped')
      for (let bit = 0; bit < current.length * 8; bit++) damaged.push(flipped(current, bit))
    if (kind === 'longer')
      damaged.push(Uint8Array.from([...current, 0]), Uint8Array.from([...current, ...current]))
    if (kind === 'missing') damaged.push(undefined)
    for (const one of damaged) expect(await outcome(withFile(open, 'CURRENT', one))).toBe('CORRUPTION')
  })

  test('an old CURRENT is CORRUPTION, with or without the MANIFEST that it names', async () => {
    const current = reopened.get('CURRENT')
    const newer = [...reopened.keys()].filter((name) => parseFileName(name)?.kind === 'manifest')
    expect(newer).toHaveLength(1)
    for (const old of [open, closed]) {
      const swapped = withFile(reopened, 'CURRENT', old.get('CURRENT'))
      expect(await outcome(swapped)).toBe('CORRUPTION')
      expect(await outcome(withFile(swapped, manifest, old.get(manifest)))).toBe('CORRUPTION')
      expect(
        await outcome(withFile(withFile(swapped, manifest, old.get(manifest)), 'CURRENT', current)),
      ).not.toBe('CORRUPTION')
    }
  })

  test('an old, missing or foreign MANIFEST under the live name is CORRUPTION', async () => {
    const live = [...reopened.keys()].find((name) => parseFileName(name)?.kind === 'manifest') ?? ''
    expect(await outcome(withFile(reopened, live, bytes))).toBe('CORRUPTION')
    expect(await outcome(withFile(reopened, live, undefined))).toBe('CORRUPTION')
    const other = new MemoryFileSystem({ strict: false })
    await other.mkdir(DIRECTORY)
    await VersionSet.create(deletingSettings(other), DATABASE_ID.toReversed())
    expect(await outcome(withFile(open, manifest, (await filesOf(other)).get(manifest)))).toBe('CORRUPTION')
  })

  test('a table that is missing or has another size is CORRUPTION', async () => {
    const name = [...open.keys()].find((one) => parseFileName(one)?.kind === 'sst') ?? sstName(0)
    expect(await outcome(withFile(open, name, undefined))).toBe('CORRUPTION')
    expect(await outcome(withFile(open, name, new Uint8Array(7)))).toBe('CORRUPTION')
    expect(await outcome(withFile(open, name, new Uint8Array(9)))).toBe('CORRUPTION')
  })

  test('any bytes for a MANIFEST or CURRENT are a state or CORRUPTION', async () => {
    const edits = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(edits, fc.constantFrom(manifest, 'CURRENT'), async (changes, name) => {
        const changed = (open.get(name) ?? new Uint8Array(0)).slice()
        for (const [at, byte] of changes) changed[at % changed.length] = byte
        expect([...states, 'CORRUPTION']).toContain(await outcome(withFile(open, name, changed)))
      }),
      { numRuns: 300 },
    )
  })
})
