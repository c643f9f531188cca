import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type PickerSettings,
  type PickerState,
  pickerSettings,
} from '../../src/compaction/compaction-plan.js'
import { compactionScores, levelTargets } from '../../src/compaction/level-targets.js'
import { pickCompaction, pickManual } from '../../src/compaction/picker.js'
import type { TableMetadata } from '../../src/version/table-metadata.js'
import { Version } from '../../src/version/version.js'
import { key, table } from '../version/tables.js'
import { TreeModel } from './tree-model.js'

const settings = pickerSettings(1_000)

function state(changes: Partial<PickerState> = {}): PickerState {
  return { now: 0, running: [], pointers: [], oldestSequence: Number.MAX_SAFE_INTEGER, settings, ...changes }
}

function versionOf(levels: Record<number, TableMetadata[]>): Version {
  const added = Object.entries(levels).flatMap(([level, tables]) =>
    tables.map((one) => ({ level: Number(level), table: one })),
  )
  return Version.empty().apply({ added })
}

const numbers = (tables: readonly TableMetadata[]): number[] => tables.map(({ number }) => number)
const range = (count: number, from: number, changes: Partial<TableMetadata> = {}): TableMetadata[] =>
  Array.from({ length: count }, (_, index) =>
    table(from + index, (from + index) * 10, (from + index) * 10 + 9, changes),
  )

/** The pointers of a picker that last compacted up to key `n` of `level`. */
function pointerAt(level: number, n: number): (Uint8Array | undefined)[] {
  return Array.from({ length: 7 }, (_, index) => (index === level ? key(n) : undefined))
}

describe('level targets', () => {
  test('go from the bottom up, so that the last level holds nine tenths', () => {
    expect(levelTargets(Version.empty(), settings)).toMatchObject({ baseLevel: 6 })
    expect(levelTargets(versionOf({ 6: range(8, 1) }), settings)).toMatchObject({ baseLevel: 6 })
    const targets = levelTargets(versionOf({ 6: range(900, 1) }), settings)
    expect(targets.baseLevel).toBe(3)
    expect(targets.targetBytes).toEqual([0, 0, 0, 900, 9_000, 90_000, Number.POSITIVE_INFINITY])
  })

  test('tell how far each level is from its own', () => {
    const scores = compactionScores(
      versionOf({ 0: range(2, 5_000), 5: range(3, 1), 6: range(20, 100) }),
      settings,
    )
    expect(scores.baseLevel).toBe(5)
    expect(scores.level0Count).toBe(2)
    expect(scores.levels.map(({ score }) => score)).toEqual([0.5, 0, 0, 0, 0, 1.5, 0])
    expect(scores.pendingBytes).toBeGreaterThan(1_000)
    expect(compactionScores(versionOf({ 5: range(2, 1), 6: range(20, 100) }), settings).pendingBytes).toBe(0)
  })
})

describe('the picker', () => {
  test('has nothing to do in an empty store', () => {
    expect(pickCompaction(Version.empty(), state())).toBeUndefined()
  })

  test('waits for level 0 to fill, then takes it to the base level', () => {
    const level0 = [table(1, 1, 50), table(2, 20, 60), table(3, 40, 90), table(4, 10, 70)]
    expect(pickCompaction(versionOf({ 0: level0.slice(0, 3) }), state())).toBeUndefined()
    const plan = pickCompaction(versionOf({ 0: level0, 6: [table(9, 55, 80), table(10, 95, 99)] }), state())
    expect(plan).toMatchObject({
      kind: 'merge',
      level: 0,
      outputLevel: 6,
      bottommost: true,
      reason: 'level0-count',
      score: 1,
    })
    expect(plan?.inputs.map(numbers)).toEqual([[4, 3, 2, 1], [9]])
    expect(plan?.smallest).toEqual(key(1))
    expect(plan?.largest).toEqual(key(90))
  })

  test('never lets level 0 sink below a level that still holds something', () => {
    const plan = pickCompaction(
      versionOf({ 0: range(8, 1).map((one) => ({ ...one, largest: key(999) })), 4: [table(90, 5, 9)] }),
      state(),
    )
    expect(plan?.outputLevel).toBe(4)
  })

  test('leaves newer tables of level 0 behind rather than taking in too much, but never older ones', () => {
    const big = { sizeBytes: 10_000 }
    const level0 = [table(1, 1, 30, big), table(2, 20, 60, big), table(3, 50, 90, big), table(4, 80, 99, big)]
    const plan = pickCompaction(versionOf({ 0: level0 }), state())
    expect(plan?.inputs.map(numbers)).toEqual([[2, 1], []])
    const running = plan === undefined ? [] : [plan]
    expect(
      pickCompaction(versionOf({ 0: [...level0, table(9, 70, 75)] }), state({ running })),
    ).toBeUndefined()
  })

  test('holds on to the whole range of the tables below, not only to that of level 0', () => {
    const below = table(90, 15, 100)
    const first = pickCompaction(versionOf({ 0: range(4, 1, { largest: key(60) }), 6: [below] }), state())
    expect(first?.largest).toEqual(key(100))
    const later = [table(11, 80, 85), table(12, 80, 85), table(13, 80, 85), table(14, 80, 85)]
    const running = first === undefined ? [] : [first]
    const version = versionOf({ 0: [...(first?.inputs[0] ?? []), ...later], 6: [below] })
    expect(pickCompaction(version, state({ running }))).toBeUndefined()
  })

  test('moves a table that meets nothing below', () => {
    const version = versionOf({ 5: range(3, 1), 6: range(20, 100) })
    const plan = pickCompaction(version, state())
    expect(plan).toMatchObject({ kind: 'move', level: 5, outputLevel: 6, reason: 'level-size' })
    expect(plan?.inputs.map(numbers)).toEqual([[1], []])
  })

  test('does not move a table onto too many grandparents', () => {
    const wide = table(1, 0, 99_999, { sizeBytes: 3_000 })
    const plan = pickCompaction(
      versionOf({ 4: [wide], 6: range(100, 100) }),
      state({ settings: { ...settings, baseLevelBytes: 15_000 } }),
    )
    expect(plan).toMatchObject({ kind: 'merge', level: 4, outputLevel: 5 })
    expect(plan?.grandparents).toHaveLength(100)
  })

  test('takes the tables of a level in turn', () => {
    const version = versionOf({ 5: range(3, 1), 6: range(20, 100) })
    const second = pickCompaction(version, state({ pointers: pointerAt(5, 19) }))
    expect(second?.inputs.map(numbers)).toEqual([[2], []])
    const wrapped = pickCompaction(version, state({ pointers: pointerAt(5, 39) }))
    expect(wrapped?.inputs.map(numbers)).toEqual([[1], []])
  })

  test('takes more of a level when the tables below are rewritten anyway', () => {
    const version = versionOf({
      5: range(3, 1),
      6: [table(50, 10, 39, { sizeBytes: 2_000 }), ...range(18, 100)],
    })
    expect(pickCompaction(version, state())?.inputs.map(numbers)).toEqual([[1, 2, 3], [50]])
  })

  test('takes tables of tombstones first, deeper as long as something is below them, then away', () => {
    const dead = table(1, 10, 19, { tombstoneCount: 60 })
    const down = pickCompaction(versionOf({ 5: [dead], 6: [table(2, 15, 25), ...range(20, 100)] }), state())
    expect(down).toMatchObject({
      kind: 'merge',
      level: 5,
      outputLevel: 6,
      bottommost: true,
      reason: 'tombstones',
    })
    const away = pickCompaction(versionOf({ 6: [dead] }), state())
    expect(away).toMatchObject({
      kind: 'merge',
      level: 6,
      outputLevel: 6,
      bottommost: true,
      reason: 'tombstones',
    })
    expect(
      pickCompaction(versionOf({ 6: [dead] }), state({ oldestSequence: dead.largestSequence - 1 })),
    ).toBeUndefined()
  })

  describe('drops an expired table unread', () => {
    const expired = table(5, 10, 19, { earliestExpiry: 1, latestExpiry: 100 })

    test.each([0, 3, 6])('in level %i', (level) => {
      const plan = pickCompaction(versionOf({ [level]: [expired] }), state({ now: 100 }))
      expect(plan).toMatchObject({ kind: 'drop', level, outputLevel: level, inputs: [[expired], []] })
      expect(pickCompaction(versionOf({ [level]: [expired] }), state({ now: 99 }))?.kind).not.toBe('drop')
    })

    test('but not while it hides something older', () => {
      const below = versionOf({ 3: [expired], 6: [table(1, 15, 15)] })
      expect(pickCompaction(below, state({ now: 100 }))).toMatchObject({
        kind: 'merge',
        reason: 'expired',
        level: 3,
      })
      expect(
        pickCompaction(versionOf({ 0: [expired, table(1, 15, 15)] }), state({ now: 100 })),
      ).toBeUndefined()
      expect(pickCompaction(versionOf({ 0: [expired, table(9, 15, 15)] }), state({ now: 100 }))?.kind).toBe(
        'drop',
      )
    })

    test('but not under a reader that is older, nor beside a compaction that sinks into its range', () => {
      const version = versionOf({ 6: [expired] })
      expect(
        pickCompaction(version, state({ now: 100, oldestSequence: expired.largestSequence - 1 })),
      ).toBeUndefined()
      const upper = [table(9, 12, 13)]
      const running = [
        { level: 5, outputLevel: 6, inputs: [upper, []] as const, smallest: key(12), largest: key(13) },
      ]
      expect(
        pickCompaction(versionOf({ 5: upper, 6: [expired] }), state({ now: 100, running })),
      ).toBeUndefined()
    })
  })
})

const writes = fc.array(
  fc.record({
    key: fc.nat(120),
    isTombstone: fc.nat(3).map((n) => n === 0),
    ttl: fc.constantFrom(0, 0, 0, 5, 50),
  }),
  { minLength: 1, maxLength: 20 },
)
const actions = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('flush' as const), writes }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('pick' as const) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('time' as const), passes: fc.nat(30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('pin' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('unpin' as const) }) },
  ),
  { maxLength: 80, size: 'max' },
)
const small: PickerSettings = pickerSettings(80, {
  baseLevelBytes: 160,
  levelMultiplier: 4,
  maxCompactionBytes: 600,
})

type Action = typeof actions extends fc.Arbitrary<(infer One)[]> ? One : never

/** Runs actions; up to three compactions are under way at once and end in any order. */
function run(model: TreeModel, history: readonly Action[]): void {
  for (const action of history) {
    if (action.kind === 'flush') model.flush(action.writes)
    else if (action.kind === 'time') model.now += action.passes
    else if (action.kind === 'unpin') model.pin = Number.MAX_SAFE_INTEGER
    else if (action.kind === 'pin') {
      // Those under way were told of no pin: as in a store, they go on with what they know, so end them first.
      while (model.running.length > 0) model.finish(model.running[0])
      if (model.pin === Number.MAX_SAFE_INTEGER) model.pin = model.lastSequence
    } else if (action.kind === 'pick' && model.running.length < 3) {
      const plan = pickCompaction(model.version, model.state)
      if (plan !== undefined) model.begin(plan)
    } else if (action.kind === 'finish' && model.running.length > 0) {
      model.finish(model.running[action.which % model.running.length])
      model.check()
    }
  }
}

/** Compacts until nothing is due; fails when that takes too long. */
function settle(model: TreeModel): void {
  while (model.running.length > 0) model.finish(model.running[0])
  for (let count = 0; ; count++) {
    const plan = pickCompaction(model.version, model.state)
    if (plan === undefined) return
    expect(count).toBeLessThan(500)
    model.begin(plan)
    model.finish(plan)
  }
}

describe('whatever is picked', () => {
  test('changes no answer, takes no table twice, keeps levels disjoint and comes to an end on target', () => {
    fc.assert(
      fc.property(actions, (history) => {
        const model = new TreeModel(small)
        run(model, history)
        settle(model)
        model.check()
        const scores = compactionScores(model.version, small)
        for (const { score } of scores.levels) expect(score).toBeLessThan(1)
        for (let level = 1; level < scores.baseLevel; level++) expect(model.version.levels[level]).toEqual([])
      }),
      { numRuns: 200, endOnFailure: true },
    )
  })

  test('by hand pushes the range to the last level and leaves nothing dead in it', () => {
    fc.assert(
      fc.property(actions, fc.nat(120), fc.nat(120), fc.boolean(), (history, a, b, whole) => {
        const model = new TreeModel(small)
        run(model, history)
        while (model.running.length > 0) model.finish(model.running[0])
        model.pin = Number.MAX_SAFE_INTEGER
        const bounds = whole ? {} : { start: key(Math.min(a, b)), end: key(Math.max(a, b)) }
        const manual = {
          ...bounds,
          upToSequence: model.lastSequence,
          beforeNumber: model.nextNumber,
          force: false,
        }
        for (let count = 0; ; count++) {
          const plan = pickManual(model.version, model.state, manual)
          if (plan === undefined) break
          expect(plan).not.toBe('blocked')
          expect(count).toBeLessThan(500)
          if (plan === 'blocked') break
          model.begin(plan)
          model.finish(plan)
        }
        model.check()
        for (let level = 0; level < 6; level++) {
          expect(model.version.tablesOverlapping(level, manual.start, manual.end)).toEqual([])
        }
        for (const one of model.version.tablesOverlapping(6, manual.start, manual.end))
          expect(one.tombstoneCount).toBe(0)
      }),
      { numRuns: 120, endOnFailure: true },
    )
  })

  test('by hand reads a table with any tombstone rather than moving it', () => {
    const manual = { upToSequence: 10_000, beforeNumber: 1, force: false }
    const some = versionOf({ 5: [table(1, 10, 20, { tombstoneCount: 1 })] })
    expect(pickManual(some, state(), manual)).toMatchObject({ kind: 'merge', outputLevel: 6 })
    expect(pickManual(versionOf({ 5: [table(1, 10, 20)] }), state(), manual)).toMatchObject({ kind: 'move' })
  })

  test('by hand waits for a compaction that is in the way', () => {
    const version = versionOf({ 0: [table(1, 10, 20)] })
    const manual = { upToSequence: 10_000, beforeNumber: 2, force: true }
    const plan = pickManual(version, state(), manual)
    expect(plan).toMatchObject({ kind: 'move', outputLevel: 6 })
    if (plan === undefined || plan === 'blocked') return
    expect(pickManual(version, state({ running: [plan] }), manual)).toBe('blocked')
  })

  test('keeps nine tenths of much data in the last level', () => {
    const model = new TreeModel(pickerSettings(200, { baseLevelBytes: 800 }))
    let next = 1
    for (let flush = 0; flush < 400; flush++) {
      const batch = Array.from({ length: 20 }, () => ({
        key: (next = (next * 48_271) % 0x7fff_ffff) % 100_000,
        isTombstone: false,
        ttl: 0,
      }))
      model.flush(batch)
      settle(model)
    }
    const { version } = model
    expect(version.levelBytes[6] / version.totalBytes).toBeGreaterThan(0.85)
    expect(version.totalBytes).toBeGreaterThan(70_000)
    expect(levelTargets(version, pickerSettings(200, { baseLevelBytes: 800 })).baseLevel).toBe(4)
  })
})
