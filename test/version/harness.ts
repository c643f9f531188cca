/** A version set over a file system in memory, with table files that are written and deleted as a store would. */
import fc from 'fast-check'
import { sstName } from '../../src/base/file-names.js'
import { type FileSystem, writeFullySync } from '../../src/env/file-system.js'
import type { ManifestState } from '../../src/version/manifest-state.js'
import type { TableMetadata } from '../../src/version/table-metadata.js'
import type { VersionEdit } from '../../src/version/version-edit.js'
import type { VersionSet, VersionSetSettings } from '../../src/version/version-set.js'
import { table } from './tables.js'

export const DIRECTORY = '/store'
export const DATABASE_ID: Uint8Array = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index)

/** The levels' table numbers and the facts beside them: what recovery must bring back. */
export function stateOf(set: VersionSet | ManifestState): string {
  const { levels: tables } = 'current' in set ? set.current : set.version
  const levels = tables.map((level) => level.map((one) => one.number))
  return JSON.stringify([levels, set.flushedSequence, set.lastSequence, set.logNumber, set.properties])
}

/** Makes the file of a table and its name durable. */
export async function writeTable(
  fileSystem: FileSystem,
  metadata: TableMetadata,
  directory = DIRECTORY,
): Promise<void> {
  const file = await fileSystem.open(`${directory}/${sstName(metadata.number)}`, 'create')
  writeFullySync(file, new Uint8Array(metadata.sizeBytes).fill(0x55), 0)
  await file.sync()
  await file.close()
  await fileSystem.syncDir(directory)
}

/** Settings that delete obsolete tables at once, as a store does. */
export function deletingSettings(
  fileSystem: FileSystem,
  changes: Partial<VersionSetSettings> = {},
): VersionSetSettings {
  return {
    fileSystem,
    directory: DIRECTORY,
    onObsolete: (numbers) => {
      for (const number of numbers)
        fileSystem.unlink(`${DIRECTORY}/${sstName(number)}`).catch(() => undefined)
    },
    ...changes,
  }
}

/** A step of a random history. */
export type Step =
  | { kind: 'flush'; from: number; length: number }
  | { kind: 'compact'; level: number }
  | { kind: 'move' }

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('flush' as const), from: fc.nat(90), length: fc.nat(20) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('compact' as const), level: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('move' as const) }) },
  ),
  { minLength: 1, maxLength: 12 },
)

/** The edit of a step, and the files that it adds; `undefined` when the step has nothing to do. */
export function editOf(
  set: VersionSet,
  step: Step,
): { edit: VersionEdit; files: TableMetadata[] } | undefined {
  const version = set.current
  if (step.kind === 'flush') {
    const number = set.nextFileNumber()
    const added = table(number, step.from, step.from + step.length, { sizeBytes: 8 + (number % 5) })
    const flushedSequence = Math.max(set.flushedSequence, added.largestSequence)
    return {
      edit: {
        added: [{ level: 0, table: added }],
        flushedSequence,
        logNumber: number,
        properties: { last: String(number) },
      },
      files: [added],
    }
  }
  if (step.kind === 'move') {
    const one = version.levels[6][0] ?? version.levels[5][0]
    const level = version.levels[6][0] === undefined ? 5 : 6
    if (one === undefined || level === 6 || version.hasOverlap(6, one.smallest, one.largest)) return undefined
    return {
      edit: { removed: [{ level, number: one.number }], added: [{ level: 6, table: one }] },
      files: [],
    }
  }
  const upper = version.levels[step.level]
  if (upper.length === 0) return undefined
  const lower = version.levels[step.level + 1]
  const all = [...upper, ...lower]
  const number = set.nextFileNumber()
  const numbers = (pick: (one: TableMetadata) => number[]): number[] => all.flatMap(pick)
  const merged = table(
    number,
    Math.min(...numbers((one) => [one.smallest[3]])),
    Math.max(...numbers((one) => [one.largest[3]])),
    {
      sizeBytes: 8 + (number % 5),
      smallestSequence: Math.min(...numbers((one) => [one.smallestSequence])),
      largestSequence: Math.max(...numbers((one) => [one.largestSequence])),
    },
  )
  const removed = [
    ...upper.map((one) => ({ level: step.level, number: one.number })),
    ...lower.map((one) => ({ level: step.level + 1, number: one.number })),
  ]
  return { edit: { removed, added: [{ level: step.level + 1, table: merged }] }, files: [merged] }
}

/** Carries out a step as a store would: files first, then the edit. Tells whether there was something to do. */
export async function take(set: VersionSet, fileSystem: FileSystem, step: Step): Promise<boolean> {
  const found = editOf(set, step)
  if (found === undefined) return false
  for (const file of found.files) await writeTable(fileSystem, file)
  await set.logAndApply(found.edit)
  return true
}
