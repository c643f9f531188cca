/**
 * A repair on a disk that fails, is full, or loses power, at any operation: the damaged store stays as it is, the new one is
 * whole or not there, and the next repair works. And `verify` on one that fails. `npm test` takes one errno for each operation and a share of the crashes,
 * chosen by the seed; `VARVE_FAULTS=all` takes all.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { VarveError } from '../../src/base/errors.js'
import { type RepairReport, repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import {
  FaultFileSystem,
  type FileSystem,
  type MemoryFileSystem,
  type OperationKind,
} from '../../src/testing.js'
import { imageOf as crashed, crashesAt, fingerprint, isKill } from '../crash/crashes.js'
import { OPERATION_KINDS } from '../faults/operation-kinds.js'
import { randomFrom } from '../model/random.js'
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
  outcomeOf,
  type State,
  shownState,
  tellsOf,
  withFile,
} from './images.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 1000)), VARVE_FAULTS } = process.env

const OUT = '/repaired'
const UNFINISHED = `${OUT}.tmp`
/** None of the directories that it stands in are there. */
const DEEP_OUT = '/x/y/repaired'
const KEYS = Array.from({ length: 32 }, (_, i) => keyOf(i))
/** One in so many places is tried. */
const PLACES = 5
const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'] as const

/** What changes nothing, so that a crash before it is as good as one before the next change. */
const READS: readonly OperationKind[] = ['open', 'read', 'size', 'stat', 'readdir', 'close']

/** A damaged store, and what its repair comes to when nothing fails. */
interface Case {
  readonly image: Image
  readonly report: RepairReport
  readonly state: State
}

const cases = new Map<string, Case>()
const NAMES = ['a damaged block', 'no MANIFEST and a damaged footer', 'a crash'] as const
/** One file is read, and one written; in a merge both tables and that of the log are read. */
const DESCRIPTORS = { [NAMES[0]]: 2, [NAMES[1]]: 4, [NAMES[2]]: 2 }

beforeAll(async () => {
  const { closed, crashed } = await makeStore()
  const [table] = namesOf(closed, 'sst')
  const bytes = bytesOf(closed, table)
  const withoutFooter = withFile(closed, table, flipped(bytes, 8 * (bytes.length - 20)))
  const images = [
    withFile(closed, table, flipped(bytes, 0)),
    withFile(withoutFooter, namesOf(closed, 'manifest')[0], undefined),
    crashed,
  ]
  for (const [i, image] of images.entries()) {
    const fileSystem = await diskOf(image)
    const report = await repair(DIRECTORY, { out: OUT, fileSystem })
    const { state } = await outcomeOf(fileSystem, KEYS, OUT)
    expect(state.size).toBeGreaterThan(15)
    cases.set(NAMES[i], { image, report, state })
  }
})

function caseOf(name: string): Case {
  const found = cases.get(name)
  if (found === undefined) throw new Error(`there is no case ${name}`)
  return found
}

test('merges more tables than it may open files', async () => {
  const { closed, state } = await makeStore(1000)
  const manifest = namesOf(closed, 'manifest')[0]
  expect(namesOf(closed, 'sst').length).toBeGreaterThan(25)
  const fileSystem = new FaultFileSystem(await diskOf(withFile(closed, manifest, undefined)))
  fileSystem.descriptorQuota = 20
  const report = await repair(DIRECTORY, { out: OUT, fileSystem })
  expect(report).toMatchObject({ lost: [], manifest: undefined })
  expect(shownState((await outcomeOf(fileSystem, state.keys(), OUT)).state)).toBe(shownState(state))
})

/** What of `all` is tried at place `index`: one in a few places, one of them; or all. */
function shareOf<T>(all: readonly T[], index: number): readonly T[] {
  if (VARVE_FAULTS === 'all') return all
  const turn = index + Number(VARVE_SEED)
  return turn % PLACES === 0 ? [all[Math.floor(turn / PLACES) % all.length]] : []
}

/** What is in the repaired store, which is sound. */
async function stateOf(fileSystem: FileSystem, out = OUT): Promise<State> {
  const { findings } = await verify(out, { fileSystem })
  expect(findings.filter(({ code }) => code !== 'temporary-file')).toEqual([])
  const { refusal, state, failed, scanFailure } = await outcomeOf(fileSystem, KEYS, out)
  expect([refusal, scanFailure, failed.size]).toEqual([undefined, undefined, 0])
  return state
}

/** The source is as it was, and a repair comes to what it must. What stands in `out` already is a whole store. */
async function repairsAgain(
  fileSystem: FileSystem,
  { image, report, state }: Case,
  out = OUT,
): Promise<void> {
  expect(await imageOf(fileSystem), 'the source').toEqual(image)
  if ((await fileSystem.stat(out)) !== undefined) {
    expect(shownState(await stateOf(fileSystem, out)), 'what is there').toBe(shownState(state))
    return
  }
  expect(await repair(DIRECTORY, { out, fileSystem })).toEqual({ ...report, out })
  expect(shownState(await stateOf(fileSystem, out)), 'what a repair brings').toBe(shownState(state))
  expect(await fileSystem.stat(`${out}.tmp`), 'what is left over').toBeUndefined()
  expect(await imageOf(fileSystem), 'the source').toEqual(image)
}

/**
 * Repairs while `fault` is done to the disk, checks what comes of it, and repairs again. The code of the refusal. A repair that
 * is refused leaves nothing, unless the disk does not let it remove anything (`isStuck`).
 */
async function repairUnder(
  one: Case,
  fault: (faults: FaultFileSystem) => void,
  { isRot = false, isStuck = false } = {},
): Promise<string | undefined> {
  const memory = await diskOf(one.image)
  const faults = new FaultFileSystem(memory)
  fault(faults)
  const outcome = await repair(DIRECTORY, { out: OUT, fileSystem: faults }).catch((error: unknown) => error)
  faults.heal()
  expect([faults.openCount, memory.openCount], 'descriptors').toEqual([0, 0])
  if (outcome instanceof VarveError) {
    if (!isStuck) expect(await memory.stat(UNFINISHED), 'what is left over').toBeUndefined()
    await repairsAgain(faults, one)
    return outcome.code
  }
  if (outcome instanceof Error) throw outcome
  const report = outcome as RepairReport
  const state = await stateOf(faults)
  if (isRot) {
    // What the disk does not give back is lost, and told of.
    for (const key of KEYS) {
      if (state.get(key) !== one.state.get(key)) expect(tellsOf(report, key), `${key} is told of`).toBe(true)
    }
    expect(await imageOf(faults), 'the source').toEqual(one.image)
  } else {
    expect(report).toEqual(one.report)
    await repairsAgain(faults, one)
  }
  return undefined
}

describe.each(NAMES)('a repair of a store with %s', (name) => {
  test.each([
    ['once', false],
    ['for good', true],
  ])(
    `when any operation fails, %s, ends whole or refused, and works when it is over (VARVE_SEED=${VARVE_SEED})`,
    async (_how, forGood) => {
      const one = caseOf(name)
      const counting = new FaultFileSystem(await diskOf(one.image), { log: true })
      await repair(DIRECTORY, { out: OUT, fileSystem: counting })
      const failures: string[] = []
      const codes = new Set<string | undefined>()
      for (const { index, kind, path } of counting.log) {
        for (const errno of shareOf(ERRNOS, index)) {
          try {
            const fault = (faults: FaultFileSystem): void => {
              faults.fail({ kind: OPERATION_KINDS, after: index, errno, forGood })
            }
            codes.add(await repairUnder(one, fault, { isRot: errno === 'EIO', isStuck: forGood }))
          } catch (error) {
            failures.push(`operation ${index}, ${kind} ${path}, ${errno}: ${String(error)}`)
          }
        }
      }
      expect(failures).toEqual([])
      expect([...codes]).toEqual(expect.arrayContaining(['IO_ERROR', 'NO_SPACE']))
    },
    1_200_000,
  )

  test(`when there is no space from any byte on, is refused (VARVE_SEED=${VARVE_SEED})`, async () => {
    const one = caseOf(name)
    const counting = new FaultFileSystem(await diskOf(one.image))
    await repair(DIRECTORY, { out: OUT, fileSystem: counting })
    const step = VARVE_FAULTS === 'all' ? 1 : counting.bytesWritten / 12
    const offset = randomFrom(Number(VARVE_SEED))()
    for (let at = step * offset; at < counting.bytesWritten; at += step) {
      const quota = Math.floor(at)
      const code = await repairUnder(one, (faults) => void (faults.byteQuota = quota))
      expect(code, `from byte ${quota} on`).toBe('NO_SPACE')
    }
  }, 1_200_000)

  test('with any number of descriptors is refused or works, and needs few', async () => {
    const codes: (string | undefined)[] = []
    for (let quota = 0; quota <= 5; quota++) {
      codes.push(await repairUnder(caseOf(name), (faults) => void (faults.descriptorQuota = quota)))
    }
    const needed = DESCRIPTORS[name]
    expect(codes).toEqual(Array.from(codes, (_, quota) => (quota < needed ? 'IO_ERROR' : undefined)))
  })

  test(`is not harmed by short reads and writes (VARVE_SEED=${VARVE_SEED})`, async () => {
    const random = randomFrom(Number(VARVE_SEED))
    for (const most of [1, 7, 300]) {
      const shorten = (_kind: string, length: number): number =>
        Math.min(length, 1 + Math.floor(random() * most))
      const fault = (faults: FaultFileSystem): void => void (faults.shorten = shorten)
      expect(await repairUnder(caseOf(name), fault), `at most ${most} bytes`).toBeUndefined()
    }
  })

  test.each([
    ['', OUT, undefined],
    [', and makes the directories above', DEEP_OUT, undefined],
    [
      ', also when the directory of the new store cannot be synced',
      OUT,
      { kind: 'syncDir', path: /^\/$/, after: 2 },
    ],
  ] as const)(
    `is atomic: a crash leaves the source as it was, and a whole store or none%s (VARVE_SEED=${VARVE_SEED})`,
    async (_when, out, fault) => {
      const one = caseOf(name)
      const random = randomFrom(Number(VARVE_SEED))
      const memory = await diskOf(one.image, DIRECTORY, { strict: true })
      const images = new Map<string, { at: string; disk: MemoryFileSystem }>()
      const crashes: Promise<void>[] = []
      const crash = (at: string): void => {
        const point = { disk: memory, step: undefined }
        for (const each of crashesAt(point, VARVE_FAULTS === 'all' ? 8 : 0.5, random)) {
          const disk = crashed(point, each)
          crashes.push(
            fingerprint(disk, isKill(each)).then((print) => {
              images.set(print, { at: `${each.death}#${each.seed} ${at}`, disk })
            }),
          )
        }
      }
      const fileSystem = new FaultFileSystem(memory, {
        observe: ({ kind, path }) => {
          if (!READS.includes(kind)) crash(`before ${kind} ${path}`)
        },
      })
      const planned = fault && fileSystem.fail({ ...fault, errno: 'EIO' })
      const code = await repair(DIRECTORY, { out, fileSystem }).then(
        () => undefined,
        (error: VarveError) => error.code,
      )
      expect([code, planned?.struck]).toEqual(fault === undefined ? [undefined, undefined] : ['IO_ERROR', 1])
      if (fault === undefined) {
        const left = memory.crash('nothing', random)
        expect(shownState(await stateOf(left, out)), 'what power loss leaves').toBe(shownState(one.state))
      }
      crash('behind it')
      await Promise.all(crashes)
      let whole = 0
      for (const [index, { at, disk }] of [...images.values()].entries()) {
        const isWhole = (await disk.stat(out)) !== undefined
        if (isWhole) whole++
        else if (shareOf([at], index).length === 0) continue
        await repairsAgain(disk, one, out).catch((error: unknown) => {
          throw new Error(at, { cause: error })
        })
      }
      expect(whole).toBeGreaterThan(0)
      expect(images.size - whole).toBeGreaterThan(10)
    },
    1_200_000,
  )
})

test.each([
  ['once', false],
  ['for good', true],
])(
  `verify, when any operation fails, %s, tells what it could not read (VARVE_SEED=${VARVE_SEED})`,
  async (_how, forGood) => {
    const { closed } = await makeStore()
    const counting = new FaultFileSystem(await diskOf(closed), { log: true })
    const whole = await verify(DIRECTORY, { fileSystem: counting })
    expect(whole).toMatchObject({ ok: true, findings: [] })
    const codes = new Set<string>()
    for (const { index, kind, path } of counting.log) {
      for (const errno of shareOf(ERRNOS, index)) {
        const at = `operation ${index}, ${kind} ${path}, ${errno}`
        const memory = await diskOf(closed)
        const faults = new FaultFileSystem(memory)
        faults.fail({ kind: OPERATION_KINDS, after: index, errno, forGood })
        try {
          const report = await verify(DIRECTORY, { fileSystem: faults })
          if (report.ok) expect(report, at).toEqual({ ...whole, bytes: report.bytes })
          for (const { code } of report.findings) codes.add(code)
        } catch (error) {
          if (!(error instanceof VarveError)) throw error
          codes.add(error.code)
        }
        expect([at, faults.openCount, memory.openCount]).toEqual([at, 0, 0])
        expect(await imageOf(memory), at).toEqual(closed)
      }
    }
    expect([...codes]).toContain(forGood ? 'IO_ERROR' : 'unreadable')
  },
  600_000,
)
