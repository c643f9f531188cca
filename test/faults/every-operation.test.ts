/**
 * Every operation of the file system fails in turn, with every errno, once and for good, in a history that takes every path to
 * the disk. `npm test` does one errno for each operation, chosen by the seed; `VARVE_FAULTS=all` does all.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FaultFileSystem, MemoryFileSystem, type Operation } from '../../src/testing.js'
import { FaultyHistory } from './history.js'
import { OPERATION_KINDS } from './operation-kinds.js'

const { VARVE_SEED = String(Math.floor(Math.random() * 1000)), VARVE_FAULTS } = process.env

const ERRNOS = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'] as const

/** Behind these failures the log or the MANIFEST cannot be trusted any more: the store takes no more writes. */
const FINAL: ReadonlySet<string> = new Set(['sync', 'syncDir', 'rename', 'close'])

const unhandled: unknown[] = []
const note = (error: unknown): void => {
  unhandled.push(error)
}
beforeAll(() => {
  process.on('unhandledRejection', note)
})
afterAll(() => {
  process.off('unhandledRejection', note)
})

/** The operations of the history when nothing fails. */
async function allOperations(): Promise<readonly Operation[]> {
  const faults = new FaultFileSystem(new MemoryFileSystem(), { log: true })
  const history = new FaultyHistory(faults)
  await history.open()
  await history.work()
  await history.check('without a fault', false)
  await history.close()
  expect(history.failures).toEqual([])
  return faults.log.filter(({ kind }) => OPERATION_KINDS.includes(kind))
}

async function failOne({ kind }: Operation, after: number, errno: string, forGood: boolean): Promise<void> {
  const faults = new FaultFileSystem(new MemoryFileSystem())
  faults.fail({ kind: OPERATION_KINDS, after, errno, forGood })
  const history = new FaultyHistory(faults)
  await history.open()
  await history.work()
  await history.check('while it fails', true)
  faults.heal()
  await history.check('behind the fault', false)
  const isPassing = errno === 'ENOSPC' ? !FINAL.has(kind) : errno === 'EMFILE' && kind === 'open'
  const goesOn = isPassing && !forGood
  if (!goesOn) await history.resume()
  if (history.store !== undefined) await history.resumes()
  const shown = await history.shown()
  await history.close()
  expect(faults.openCount, 'descriptors').toBe(0)
  await history.open()
  await history.check('behind a reopen', false)
  if (shown !== undefined) expect(await history.shown()).toEqual(shown)
  await history.resumes()
  await history.close()
  expect(faults.openCount, 'descriptors behind a reopen').toBe(0)
}

test.each([
  ['once', false],
  ['for good', true],
])(
  `every operation fails, %s: nothing acknowledged is lost, nothing hangs, nothing untyped (VARVE_SEED=${VARVE_SEED})`,
  { timeout: 3_600_000 },
  async (_how, forGood) => {
    const operations = await allOperations()
    expect(operations.length).toBeGreaterThan(200)
    const failures: string[] = []
    for (const [after, operation] of operations.entries()) {
      const chosen = VARVE_FAULTS === 'all' ? ERRNOS : [ERRNOS[(after + Number(VARVE_SEED)) % ERRNOS.length]]
      for (const errno of chosen) {
        try {
          await failOne(operation, after, errno, forGood)
        } catch (error) {
          const { kind, path } = operation
          failures.push(`operation ${after}, ${kind} ${path}, ${errno}: ${String(error)}`)
        }
      }
    }
    expect(failures).toEqual([])
    expect(unhandled).toEqual([])
  },
)
