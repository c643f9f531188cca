/**
 * Steps that no sequence of calls on a sound file system leads to, or whose promise is to a layer below the store: each has a
 * scenario of its own, which throws when the step was left out.
 */
import { open, type Store } from '../../src/index.js'
import { InlineExecutor, ManualClock, MemoryFileSystem } from '../../src/testing.js'
import { recoverState } from '../../src/version/recover-state.js'
import { replay } from '../../src/wal/replay.js'
import { randomFrom } from '../model/random.js'
import { ABLATIONS, judgeOf } from './ablations.js'
import type { StepName } from './protocol.js'
import { crashRepair, REPAIR_STEPS, type RepairStep } from './repair-scenarios.js'
import { DIRECTORY, OPTIONS } from './settings.js'
import { type Judge, lenient, StepFileSystem } from './step-file-system.js'

/** Throws when the promise behind the step is broken; with `ablated` the step is left out. */
export type Scenario = (ablated: boolean) => Promise<void>

/** By the names of the ablations. */
export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map<string, Scenario>([
  ['log: sync what replaces a rejected record', rejectedRecord],
  ['log: sync the newest segment before it is shown', shownByRecovery],
  ['table: read the footer back', lostTable],
  ...ABLATIONS.flatMap(({ name, step, behind }): [string, Scenario][] =>
    isOfRepair(step) && (behind === undefined || isOfRepair(behind))
      ? [[name, (ablated) => crashRepair(step, ablated, behind)]]
      : [],
  ),
])

function isOfRepair(step: StepName): step is RepairStep {
  return step in REPAIR_STEPS
}

const TRIES = 40

function openOn(disk: MemoryFileSystem, judge: Judge = lenient): Promise<Store<string, string>> {
  return open<string, string>(DIRECTORY, {
    ...OPTIONS,
    durability: 'os',
    fileSystem: new StepFileSystem(disk, judge),
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    random: randomFrom(1),
  })
}

function judgeFor(step: StepName, ablated: boolean): Judge {
  return ablated ? judgeOf({ name: step, why: '', step })() : lenient
}

/** A write is made, and fails all the same; another takes its place. The first must not be there after a power loss. */
async function rejectedRecord(ablated: boolean): Promise<void> {
  const disk = new MemoryFileSystem()
  const judge = judgeFor('log: sync what replaces a rejected record', ablated)
  let isFailing = false
  const store = await openOn(disk, (step) => {
    if (!isFailing || step.kind !== 'write') return judge(step)
    isFailing = false
    return 'make-and-fail'
  })
  isFailing = true
  const rejected = await store.set('a', 'rejected').then(
    () => false,
    () => true,
  )
  if (!rejected) throw new Error('the write was to fail')
  await store.set('b', 'accepted')
  for (let seed = 0; seed < TRIES; seed++) {
    const survivor = await openOn(disk.crash('prefix', randomFrom(seed)))
    const found = await survivor.get('a')
    await survivor.close()
    if (found !== undefined)
      throw new Error('a write that was rejected is there, and the one in its place is not')
  }
  await store.close()
}

/** What a replay has handed out after a kill is still there after a power loss. */
async function shownByRecovery(ablated: boolean): Promise<void> {
  const disk = new MemoryFileSystem()
  const store = await openOn(disk)
  await store.set('a', 'kept by the page cache')
  const killed = disk.fork()
  const judge = judgeFor('log: sync the newest segment before it is shown', ablated)
  const shown = await groupsIn(new StepFileSystem(killed, judge))
  const left = await groupsIn(new StepFileSystem(killed.crash('nothing', Math.random), lenient))
  await store.close()
  if (left !== shown) throw new Error(`the log showed ${shown} groups, and a power loss leaves ${left}`)
}

async function groupsIn(fileSystem: StepFileSystem): Promise<number> {
  const { databaseId } = await recoverState(fileSystem, DIRECTORY)
  let groups = 0
  await replay({ fileSystem, directory: DIRECTORY, databaseId, numbers: [2], fromSequence: 0 }, () => {
    groups++
  })
  return groups
}

/** A file system that loses the writes of a table without a word: the flush must not give the log up for it. */
async function lostTable(ablated: boolean): Promise<void> {
  const disk = new MemoryFileSystem()
  const lost = new Map<string, Uint8Array>()
  const store = await openOn(disk, (step) => {
    if (!step.path.endsWith('.sst')) return 'make'
    if (step.kind === 'write') {
      lost.set(step.path, step.bytes?.slice() ?? new Uint8Array())
      return 'skip'
    }
    // Without the check nobody reads what was written.
    if (step.kind === 'open' && step.mode === 'read' && ablated) restoreBytes(disk, step.path, lost)
    return 'make'
  })
  await store.set('a', '1')
  await store.flush().catch(() => undefined)
  if (ablated) for (const path of lost.keys()) await truncate(disk, path)
  await store.close().catch(() => undefined)
  const survivor = await openOn(disk)
  const found = await survivor.get('a')
  await survivor.close()
  if (found !== '1') throw new Error('the flush gave the log up for a table that is not there')
}

function restoreBytes(disk: MemoryFileSystem, path: string, lost: ReadonlyMap<string, Uint8Array>): void {
  const file = disk.openSync(path, 'modify')
  file.writeSync(lost.get(path) ?? new Uint8Array(), 0)
  file.closeSync()
}

async function truncate(disk: MemoryFileSystem, path: string): Promise<void> {
  const file = await disk.open(path, 'modify')
  await file.truncate(0)
  await file.close()
}
