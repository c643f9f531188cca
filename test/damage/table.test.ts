/**
 * The damage table: what each kind of damage to each kind of file comes to.
 *
 * D: refused with `CORRUPTION` that names the file. A: handled, nothing is lost. Q: the keys of one block fail typed, all
 * others are read. Filters: ignored and reported. For each: what opening does, what `verify` names, what `repair` brings
 * back. `docs/repair.md` has the table.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { fileSalt } from '../../src/base/checksum.js'
import { RecordReader } from '../../src/record/record-reader.js'
import { decodeFooter, FOOTER_LENGTH } from '../../src/sstable/footer.js'
import { open } from '../../src/store/open.js'
import { type RepairReport, repair } from '../../src/store/repair.js'
import { type VerifyReport, verify } from '../../src/store/verify.js'
import { MANIFEST_HEADER_LENGTH, ManifestRecord } from '../../src/version/manifest-format.js'
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
  type Outcome,
  outcomeOf,
  type SmallStore,
  type State,
  shownState,
  surroundings,
  tellsOf,
  textOf,
  withFile,
} from './images.js'

const KEYS = Array.from({ length: 32 }, (_, i) => keyOf(i))
const OUT = '/repaired'

let small: SmallStore
let other: SmallStore
beforeAll(async () => {
  small = await makeStore()
  other = await makeStore()
})

interface Seen {
  readonly outcome: Outcome
  readonly report: VerifyReport
  readonly repaired: RepairReport
  /** What a repair brings back. */
  readonly saved: State
  /** Keys that it does not bring back as they were. */
  readonly unrepaired: readonly string[]
}

async function see(image: Image): Promise<Seen> {
  const fileSystem = await diskOf(image)
  const report = await verify(DIRECTORY, { fileSystem })
  const repaired = await repair(DIRECTORY, { out: OUT, fileSystem })
  expect((await verify(OUT, { fileSystem })).findings).toEqual([])
  const saved = await outcomeOf(fileSystem, KEYS, OUT)
  expect(saved.refusal).toBeUndefined()
  const unrepaired = KEYS.filter((key) => saved.state.get(key) !== small.state.get(key))
  const outcome = await outcomeOf(fileSystem, KEYS)
  return { outcome, report, repaired, saved: saved.state, unrepaired }
}

/** What a repair of a refused store must come to. */
interface Repaired {
  /** The MANIFEST that it goes by; by default the store's own. */
  readonly manifest?: string | undefined
  /** How many keys are not as they were, at most; what each of them is instead is checked. By default none. */
  readonly lost?: number
  /** What `verify` names, where that is another file than the error of `open`. */
  readonly found?: string
}

/** D: refused, the error names the file, `verify` names it too; `repair` brings back what it must, and nothing else. */
async function expectD(image: Image, file: string, expected: Repaired = {}): Promise<void> {
  const { manifest = namesOf(image, 'manifest').at(-1), lost = 0, found = file } = expected
  const { outcome, report, repaired, saved, unrepaired } = await see(image)
  const failure = outcome.refusal ?? [...outcome.failed.values()].at(0)
  expect(failure?.code, `${file}: ${outcome.state.size} keys read`).toBe('CORRUPTION')
  expect(failure?.path, failure?.message).toContain(file)
  expect(report.ok).toBe(false)
  expect(
    report.findings.some((finding) => finding.file === found && finding.severity === 'error'),
    JSON.stringify(report.findings),
  ).toBe(true)
  expect(repaired.manifest).toBe('manifest' in expected ? expected.manifest : manifest)
  expect(unrepaired.length, unrepaired.join()).toBeLessThanOrEqual(lost)
  for (const key of unrepaired) expectTold(repaired, key, saved.get(key))
}

/** A key that is not as it was is told of, and is gone or as it was before; only what hid it can let it come back. */
function expectTold(repaired: RepairReport, key: string, value: string | undefined): void {
  expect(tellsOf(repaired, key), `${key} is told of`).toBe(true)
  if (value === undefined) return
  const index = KEYS.indexOf(key)
  const older = [0, 1, 2].map((round) => textOf(index, round))
  expect(older, key).toContain(value)
  const letsItBack = repaired.uncertain.some((one) => one === 'deletions' || one === 'log-hole')
  expect(small.state.has(key) || letsItBack, `${key} was deleted`).toBe(true)
}

/** A: opened, all is there; `verify` tells no more than notes or, for a filter, a warning. */
async function expectA(image: Image, ok = true): Promise<void> {
  const { outcome, report, unrepaired } = await see(image)
  expect(outcome.refusal?.message).toBeUndefined()
  expect(outcome.failed.size).toBe(0)
  expect(outcome.scanFailure).toBeUndefined()
  expect(shownState(outcome.state)).toBe(shownState(small.state))
  expect(report.ok, JSON.stringify(report.findings)).toBe(ok)
  expect(unrepaired).toEqual([])
}

/**
 * Q: opened; keys of one block may fail typed, all others have their values; `verify` names exactly that block.
 * Returns how many keys failed: newer values may stand in other files.
 */
async function expectQ(image: Image, file: string): Promise<number> {
  const { outcome, report, unrepaired } = await see(image)
  expect(outcome.refusal?.message).toBeUndefined()
  expect(outcome.failed.size).toBeLessThan(6)
  const errors = report.findings.filter(({ severity }) => severity === 'error')
  expect(errors).toHaveLength(1)
  const [{ code, offset, keys }] = errors
  expect(code).toBe('block-damaged')
  for (const key of KEYS) {
    const failure = outcome.failed.get(key)
    if (failure === undefined) {
      expect(outcome.state.get(key), key).toBe(small.state.get(key))
      continue
    }
    expect(failure).toMatchObject({ code: 'CORRUPTION', path: `${DIRECTORY}/${file}`, offset })
    expect(Buffer.compare(Buffer.from(key), keys?.gte ?? keys?.gt ?? Buffer.alloc(0))).toBeGreaterThanOrEqual(
      0,
    )
    expect(Buffer.compare(Buffer.from(key), keys?.lte ?? Buffer.alloc(0))).toBeLessThanOrEqual(0)
  }
  // What a lost newer version hid may show again, of the same keys.
  expect(unrepaired.length).toBeLessThan(6)
  return outcome.failed.size
}

function zeroed(bytes: Uint8Array, at: number, length: number): Uint8Array {
  return bytes.slice().fill(0, at, at + length)
}

function longer(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes, ...Buffer.from('garbage behind the end')])
}

/** Where the records of a segment are. */
function recordsOf(image: Image, name: string): { offset: number; end: number }[] {
  const bytes = bytesOf(image, name)
  const reader = new RecordReader(bytes, fileSalt(bytes.slice(24, 40), Number.parseInt(name, 10)), name)
  const records: { offset: number; end: number }[] = []
  while (reader.next() === 'record') records.push({ offset: reader.offset, end: reader.nextOffset })
  return records
}

describe.each(['closed', 'crashed'] as const)('a %s store', (kind) => {
  let image: Image
  let manifest: string
  let sealed: string
  let live: string
  beforeAll(() => {
    image = small[kind]
    manifest = namesOf(image, 'manifest').at(-1) ?? ''
    const segments = namesOf(image, 'wal').filter((name) => bytesOf(image, name).length > 0)
    sealed = segments[0]
    live = segments.at(-1) ?? ''
    expect(sealed).not.toBe(live)
  })

  const damaged = (name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Image =>
    withFile(image, name, change(bytesOf(image, name)))

  describe('CURRENT', () => {
    test.each([
      ['truncated', (bytes: Uint8Array) => bytes.slice(0, -7)],
      ['empty', () => new Uint8Array(0)],
      ['bit flip', (bytes: Uint8Array) => flipped(bytes, 333)],
      ['zeroed', (bytes: Uint8Array) => zeroed(bytes, 0, 512)],
      ['missing', () => undefined],
      ['garbage behind', longer],
    ])('%s: D', async (_name, change) => expectD(damaged('CURRENT', change), 'CURRENT'))

    test("another store's: D", async () => {
      const foreign = withFile(image, 'CURRENT', bytesOf(other[kind], 'CURRENT'))
      await expectD(foreign, manifest, { found: 'CURRENT' })
    })
  })

  describe('MANIFEST', () => {
    test.each([
      ['header truncated', (bytes: Uint8Array) => bytes.slice(0, 30)],
      ['snapshot truncated', (bytes: Uint8Array) => bytes.slice(0, 100)],
      ['bit flip in the header', (bytes: Uint8Array) => flipped(bytes, 8 * 30)],
      ['bit flip in the snapshot', (bytes: Uint8Array) => flipped(bytes, 8 * 80)],
      ['bit flip in an edit', (bytes: Uint8Array) => flipped(bytes, 8 * (bytes.length >> 1))],
      ['zeroed page', (bytes: Uint8Array) => zeroed(bytes, 128, 256)],
      ['missing', () => undefined],
    ])('%s: D', async (_name, change) =>
      expectD(damaged(manifest, change), manifest, { manifest: undefined }),
    )

    test("old, or another store's: D", async () => {
      await expectD(withFile(image, manifest, bytesOf(other[kind], manifest)), manifest, {
        manifest: undefined,
      })
    })

    test('garbage behind: A behind a crash, D after a clean close', async () => {
      if (kind === 'crashed') await expectA(damaged(manifest, longer))
      else await expectD(damaged(manifest, longer), manifest, { manifest: undefined })
    })

    test('truncated at the end: A while it is an unsynced mark, D after a clean close', async () => {
      const shorter = damaged(manifest, (bytes) => bytes.slice(0, -3))
      if (kind === 'crashed') await expectA(shorter)
      else await expectD(shorter, manifest, { manifest: undefined })
    })
  })

  describe('a sealed segment', () => {
    test.each([
      ['truncated', (bytes: Uint8Array) => bytes.slice(0, 300), 16],
      ['bit flip', (bytes: Uint8Array) => flipped(bytes, 8 * 300), 1],
      ['bit flip in the header', (bytes: Uint8Array) => flipped(bytes, 8 * 40), 0],
      ['bit flip at the end', (bytes: Uint8Array) => flipped(bytes, 8 * bytes.length - 70), 1],
      ['zeroed page', (bytes: Uint8Array) => zeroed(bytes, 256, 512), 8],
      ['missing', () => undefined, 16],
      ['garbage behind', longer, 0],
    ])('%s: D', async (_name, change, lost) => expectD(damaged(sealed, change), sealed, { lost }))

    test("another store's: D", async () => {
      await expectD(withFile(image, sealed, bytesOf(other[kind], sealed)), sealed, { lost: 16 })
    })
    test('another segment under its name: D', async () => {
      await expectD(withFile(image, sealed, bytesOf(image, live)), sealed, { lost: 16 })
    })
  })

  describe('the live segment', () => {
    test('truncated, flipped or zeroed below what was on the device: D', async () => {
      const records = recordsOf(image, live)
      const { offset } = records[1]
      await expectD(
        damaged(live, (bytes) => flipped(bytes, 8 * (offset + 40))),
        live,
        { lost: 2 },
      )
      await expectD(
        damaged(live, (bytes) => zeroed(bytes, offset, 16)),
        live,
        { lost: 2 },
      )
      if (kind === 'closed')
        await expectD(
          damaged(live, (bytes) => bytes.slice(0, offset)),
          live,
          { lost: 16 },
        )
    })

    test('cut behind what was on the device: A', async () => {
      if (kind === 'closed') {
        // Everything was: the MANIFEST says so.
        for (const { offset } of recordsOf(image, live)) {
          await expectD(
            damaged(live, (bytes) => bytes.slice(0, offset)),
            live,
            { lost: 16 },
          )
        }
        return
      }
      await expectA(damaged(live, longer))
    })

    test('missing: D', async () => expectD(withFile(image, live, undefined), live, { lost: 16 }))

    test("another store's: D", async () => {
      await expectD(withFile(image, live, bytesOf(other[kind], live)), live, { lost: 16 })
    })

    test('garbage behind: A', async () => expectA(damaged(live, longer)))
  })

  describe('a table', () => {
    const tables = (): string[] => namesOf(image, 'sst')

    test('truncated, longer, missing: D', async () => {
      for (const name of tables()) {
        await expectD(
          damaged(name, (bytes) => bytes.slice(0, -1)),
          name,
        )
        await expectD(damaged(name, longer), name)
        await expectD(withFile(image, name, undefined), name, { lost: 32 })
      }
    })

    test("old, swapped, another store's: D", async () => {
      const [one, two] = tables()
      for (const name of tables()) {
        const stranger = bytesOf(other[kind], name)
        await expectD(withFile(image, name, stranger), name, { lost: 32 })
      }
      const swapped = withFile(withFile(image, one, bytesOf(image, two)), two, bytesOf(image, one))
      const { outcome, report, unrepaired } = await see(swapped)
      expect(outcome.refusal?.code ?? [...outcome.failed.values()][0].code).toBe('CORRUPTION')
      expect(report.findings.map(({ file }) => file)).toEqual(expect.arrayContaining([one, two]))
      expect(unrepaired).toEqual([])
    })

    test('a flipped bit or zeros in a data block: Q', async () => {
      for (const name of tables()) {
        const { filter } = decodeFooter(bytesOf(image, name).slice(-FOOTER_LENGTH))
        let failed = 0
        for (let at = 11; at < filter.offset; at += 97) {
          failed += await expectQ(
            damaged(name, (bytes) => flipped(bytes, 8 * at)),
            name,
          )
        }
        expect(failed).toBeGreaterThan(3)
        await expectQ(
          damaged(name, (bytes) => zeroed(bytes, 2, 30)),
          name,
        )
      }
    })

    test('a damaged index, footer or properties: D', async () => {
      for (const name of tables()) {
        const bytes = bytesOf(image, name)
        const { index, properties } = decodeFooter(bytes.slice(-FOOTER_LENGTH))
        for (const at of [index.offset + 3, properties.offset + 3, bytes.length - 60, bytes.length - 2]) {
          await expectD(
            damaged(name, () => flipped(bytes, 8 * at)),
            name,
          )
          await expectD(
            damaged(name, () => zeroed(bytes, at, 24)),
            name,
          )
        }
      }
    })

    test('a damaged filter: ignored and reported', async () => {
      for (const name of tables()) {
        const { filter } = decodeFooter(bytesOf(image, name).slice(-FOOTER_LENGTH))
        expect(filter.size).toBeGreaterThan(0)
        await expectA(
          damaged(name, (bytes) => flipped(bytes, 8 * (filter.offset + 2))),
          false,
        )
        await expectA(
          damaged(name, (bytes) => zeroed(bytes, filter.offset, filter.size)),
          false,
        )
      }
    })
  })

  describe('what nothing needs', () => {
    test('temporary files and orphans in any shape: A', async () => {
      const [table] = namesOf(image, 'sst')
      for (const bytes of [
        new Uint8Array(0),
        new Uint8Array(700),
        bytesOf(image, table),
        bytesOf(image, 'CURRENT'),
      ]) {
        for (const name of ['000900.sst', 'CURRENT.tmp', '000901.wal.tmp', 'notes.txt', 'LOCK.1.x.tmp']) {
          await expectA(withFile(image, name, bytes))
        }
      }
    })

    test('LOCK of a dead process, or one that nobody can read: A', async () => {
      for (const text of ['{"pid":999999,"host":"here","since":1,"token":"a"}', '', '\0\0\0\0', 'what?']) {
        await expectA(withFile(image, 'LOCK', Buffer.from(text)))
      }
    })
  })
})

describe('old files of the same store', () => {
  test('an old CURRENT with its MANIFEST beside the new one: D', async () => {
    const image = new Map(small.closed)
    for (const [name, bytes] of small.old)
      if (name === 'CURRENT' || name.startsWith('MANIFEST')) image.set(name, bytes)
    const { outcome, report } = await see(image)
    expect(outcome.refusal?.code).toBe('CORRUPTION')
    expect(report.ok).toBe(false)
  })

  test('an old table under a new number, an old log under the new name: D', async () => {
    const [table] = namesOf(small.old, 'sst')
    const newer = namesOf(small.closed, 'sst').filter((name) => !small.old.has(name))
    expect(newer.length).toBeGreaterThan(0)
    await expectD(withFile(small.closed, newer[0], bytesOf(small.old, table)), newer[0], { lost: 32 })
    const [segment] = namesOf(small.old, 'wal')
    const live = namesOf(small.closed, 'wal').at(-1) ?? ''
    await expectD(withFile(small.closed, live, bytesOf(small.old, segment)), live, { lost: 32 })
  })
})

describe('a store that was cleared', () => {
  test('stays so when CURRENT is damaged, or of another store', async () => {
    const images: Image[] = []
    for (let i = 0; i < 2; i++) {
      const fileSystem = await diskOf(new Map())
      const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
      for (const key of KEYS) await store.set(key, 'cleared')
      await store.clear()
      await store.set('behind', 'the clearing')
      await store.close()
      images.push(await imageOf(fileSystem))
    }
    const [image, other] = images
    const [manifest] = namesOf(image, 'manifest')
    expect(namesOf(other, 'manifest')).toEqual([manifest])
    for (const current of [undefined, flipped(bytesOf(image, 'CURRENT'), 333), bytesOf(other, 'CURRENT')]) {
      const fileSystem = await diskOf(withFile(image, 'CURRENT', current))
      const { findings } = await verify(DIRECTORY, { fileSystem })
      const code = current === undefined ? 'current-missing' : 'current-damaged'
      expect(findings).toMatchObject([{ severity: 'error', code, file: 'CURRENT' }])
      const report = await repair(DIRECTORY, { out: OUT, fileSystem })
      expect(report).toMatchObject({ complete: true, manifest, entries: 1 })
      const { state } = await outcomeOf(fileSystem, [...KEYS, 'behind'], OUT)
      expect([...state]).toEqual([['behind', 'the clearing']])
    }
  })
})

describe('the loss of the last edit of a MANIFEST', () => {
  test('that cleared the store is found out by the writes behind it: D', async () => {
    const fileSystem = await diskOf(small.closed)
    const store = await open(DIRECTORY, { ...OPTIONS, ...surroundings(fileSystem) })
    // Keeps the tables, which would be missed otherwise.
    const view = store.view()
    await store.clear()
    await store.set('behind', 'the clearing', { durability: 'disk' })
    const image = await imageOf(fileSystem)
    view.close()
    await store.close()
    const [manifest] = namesOf(image, 'manifest')
    const bytes = bytesOf(image, manifest)
    const salt = fileSalt(bytes.slice(12, 28), Number(manifest.slice('MANIFEST-'.length)))
    const reader = new RecordReader(bytes, salt, manifest)
    let lastEdit = 0
    for (reader.seek(MANIFEST_HEADER_LENGTH); reader.next() === 'record'; ) {
      if (reader.type === ManifestRecord.edits) lastEdit = reader.offset
    }
    const cut = withFile(image, manifest, bytes.slice(0, lastEdit))
    expect((await outcomeOf(await diskOf(cut), [...KEYS, 'behind'])).refusal?.code).toBe('CORRUPTION')
    expect((await verify(DIRECTORY, { fileSystem: await diskOf(cut) })).ok).toBe(false)
    const { complete, uncertain } = await repair(DIRECTORY, { out: OUT, fileSystem: await diskOf(cut) })
    expect(complete).toBe(false)
    expect(uncertain).toContain('deletions')
    const whole = await outcomeOf(await diskOf(image), [...KEYS, 'behind'])
    expect([...whole.state]).toEqual([['behind', 'the clearing']])
  })
})
