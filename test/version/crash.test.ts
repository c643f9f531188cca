import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseFileName } from '../../src/base/file-names.js'
import { FaultFileSystem } from '../../src/env/fault-file-system.js'
import { CRASH_PROFILES, type CrashProfile } from '../../src/env/memory-crash.js'
import { MemoryFileSystem } from '../../src/env/memory-file-system.js'
import { storeExists } from '../../src/version/recover-state.js'
import { VersionSet } from '../../src/version/version-set.js'
import { randomFrom } from '../model/random.js'
import {
  DATABASE_ID,
  DIRECTORY,
  deletingSettings,
  editOf,
  type Step,
  stateOf,
  steps,
  writeTable,
} from './harness.js'

/** What a crash left, and what may be found in it. */
interface Crash {
  readonly fileSystem: MemoryFileSystem
  readonly profile: CrashProfile
  readonly at: string
  /** The states from the last acknowledged one to the last one that was asked for; no store at all is `''`. */
  readonly allowed: readonly string[]
}

/** Runs a history of opens, edits and closes, and takes a crash of every profile before every operation. */
async function crashesOf(
  history: readonly Step[],
  seed: number,
  keep: (index: number) => boolean,
): Promise<Crash[]> {
  const chance = randomFrom(seed)
  const memory = new MemoryFileSystem()
  const crashes: Crash[] = []
  let allowed = ['']
  let operations = 0
  const fileSystem = new FaultFileSystem(memory, {
    observe: ({ kind, path }) => {
      if (['read', 'size', 'stat', 'readdir', 'close'].includes(kind) || !keep(operations++)) return
      for (const profile of CRASH_PROFILES) {
        crashes.push({ fileSystem: memory.crash(profile, chance), profile, at: `${kind} ${path}`, allowed })
      }
    },
  })
  await memory.mkdir(DIRECTORY)
  await memory.syncDir('/')
  const settings = deletingSettings(fileSystem, { maxEditBytes: 1_200 })
  const emptySettings = deletingSettings(await emptyDirectory(), {})
  const empty = stateOf(await VersionSet.create(emptySettings, DATABASE_ID))
  allowed = ['', empty]
  let set = await VersionSet.create(settings, DATABASE_ID)
  allowed = [empty]
  for (const [index, step] of history.entries()) {
    const found = editOf(set, step)
    if (found !== undefined) {
      for (const file of found.files) await writeTable(fileSystem, file)
      const before = stateOf(set)
      allowed = [before, await stateBehind(set, found)]
      await set.logAndApply(found.edit)
      expect(stateOf(set)).toBe(allowed[1])
    }
    allowed = [stateOf(set)]
    if (index % 4 === 3) {
      if (index % 8 === 3) await set.close()
      set = await VersionSet.recover(settings)
    }
  }
  await set.close()
  return crashes
}

async function emptyDirectory(): Promise<MemoryFileSystem> {
  const fileSystem = new MemoryFileSystem()
  await fileSystem.mkdir(DIRECTORY)
  return fileSystem
}

/** The state that an edit will lead to, found out in a store of its own. */
async function stateBehind(
  set: VersionSet,
  { edit }: NonNullable<ReturnType<typeof editOf>>,
): Promise<string> {
  const twin = await VersionSet.create(deletingSettings(await emptyDirectory()), DATABASE_ID)
  while (twin.peekFileNumber() < set.peekFileNumber()) twin.nextFileNumber()
  const { flushedSequence, lastSequence, logNumber, properties } = set
  await twin.logAndApply({
    added: [...set.current.tables()],
    flushedSequence,
    lastSequence,
    logNumber,
    properties,
  })
  await twin.logAndApply(edit)
  return stateOf(twin)
}

/** Recovers as a store does: opens, collects orphans. */
async function reopen(fileSystem: MemoryFileSystem | FaultFileSystem): Promise<VersionSet | undefined> {
  if (!(await storeExists(fileSystem, DIRECTORY))) return undefined
  const set = await VersionSet.recover(deletingSettings(fileSystem))
  for (const name of set.collectOrphans(await fileSystem.readdir(DIRECTORY), () => false)) {
    await fileSystem.unlink(`${DIRECTORY}/${name}`)
  }
  return set
}

async function check(crash: Crash): Promise<void> {
  const where = `crash '${crash.profile}' before ${crash.at}`
  let set: VersionSet | undefined
  try {
    set = await reopen(crash.fileSystem)
  } catch (error) {
    throw new Error(`${where}: does not open`, { cause: error })
  }
  const state = set === undefined ? '' : stateOf(set)
  expect(crash.allowed, where).toContain(state)
  if (set === undefined) set = await VersionSet.create(deletingSettings(crash.fileSystem), DATABASE_ID)
  const names = await crash.fileSystem.readdir(DIRECTORY)
  const tables = names.filter((name) => parseFileName(name)?.kind === 'sst').length
  expect(tables, where).toBe(set.current.tableCount)
  await set.logAndApply({ properties: { written: 'after the crash' } })
  await set.close()
  const again = await VersionSet.recover(deletingSettings(crash.fileSystem))
  expect(again.properties.written, where).toBe('after the crash')
  expect(again.current.tableCount, where).toBe(set.current.tableCount)
}

describe('after a power loss', () => {
  test('at every operation and in every profile, a state from the last acknowledged one on is found', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (history, seed) => {
        for (const crash of await crashesOf(history, seed, () => true)) await check(crash)
      }),
      { numRuns: 3 },
    )
  }, 30_000)

  test('during the recovery from a power loss, the same is found', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), fc.nat(11), async (history, seed, phase) => {
        const crashes = await crashesOf(history, seed, (index) => index % 12 === phase)
        const chance = randomFrom(seed + 1)
        for (const first of crashes) {
          const state = await stateIn(first.fileSystem.crash('all', chance))
          const seconds: Crash[] = []
          const observed = new FaultFileSystem(first.fileSystem, {
            observe: ({ kind, path }) => {
              if (['read', 'size', 'stat', 'readdir', 'close'].includes(kind)) return
              const profile = CRASH_PROFILES[Math.floor(chance() * CRASH_PROFILES.length)]
              const at = `${kind} ${path} in the recovery from '${first.profile}' before ${first.at}`
              seconds.push({
                fileSystem: first.fileSystem.crash(profile, chance),
                profile,
                at,
                allowed: [state],
              })
            },
          })
          await reopen(observed)
          for (const second of seconds) await check(second)
        }
      }),
      { numRuns: 2 },
    )
  }, 30_000)
})

async function stateIn(fileSystem: MemoryFileSystem): Promise<string> {
  const set = await reopen(fileSystem)
  return set === undefined ? '' : stateOf(set)
}
