/**
 * A repair, crashed before each of its changes: what comes of it is a whole store that is durable once `repair` has returned, or
 * none and nothing in the way of the next repair. Throws when a step that was left out breaks that.
 */
import { repair } from '../../src/store/repair.js'
import { verify } from '../../src/store/verify.js'
import type { MemoryFileSystem } from '../../src/testing.js'
import {
  bytesOf,
  diskOf,
  flipped,
  type Image,
  keyOf,
  makeStore,
  namesOf,
  outcomeOf,
  DIRECTORY as SOURCE,
  shownState,
  withFile,
} from '../damage/images.js'
import { randomFrom } from '../model/random.js'
import { type Crash, crashesAt, fingerprint, imageOf, isKill } from './crashes.js'
import { changes, type Judge, type Step, StepFileSystem, type Verdict } from './step-file-system.js'

/** The steps of a repair, and why each is there. */
export const REPAIR_STEPS = {
  'repair: sync the parents of a new directory': 'the repaired store has a name, also below new directories',
  'repair: sync the directory behind its mark': 'what was cut short is known for a repair’s, and removed',
  'repair: sync a table': 'the repaired store is whole',
  'repair: sync a copied table': 'the repaired store is whole where files cannot have two names',
  'repair: sync the MANIFEST': 'the repaired store is whole',
  'repair: sync CURRENT.tmp': 'the repaired store is whole',
  'repair: sync its directory': 'what is in the repaired store has a name',
  'repair: sync the parent behind the publication': 'a store that was repaired is there',
  'repair: sync the parent before the removal': 'a repaired store that is there is whole',
  'repair: sync the directory before its mark goes':
    'what is left of one that was removed is known for a repair’s',
} as const

export type RepairStep = keyof typeof REPAIR_STEPS

/** The orders: the first is durable before the second. A directory has another name behind the publication: it cannot be synced late. */
export const REPAIR_ORDERS: readonly (readonly [RepairStep, RepairStep])[] = [
  ['repair: sync a table', 'repair: sync the parent behind the publication'],
  ['repair: sync a copied table', 'repair: sync the parent behind the publication'],
  ['repair: sync the MANIFEST', 'repair: sync the parent behind the publication'],
  ['repair: sync CURRENT.tmp', 'repair: sync the parent behind the publication'],
  ['repair: sync the parent before the removal', 'repair: sync the directory before its mark goes'],
]

const PARENT = '/new'
const OUT = `${PARENT}/repaired`
const UNFINISHED = `${OUT}.tmp`
const KEYS = Array.from({ length: 32 }, (_, i) => keyOf(i))

/** Names the calls of one repair; to be told of all, in order. */
function repairNamer(): (step: Step) => RepairStep | undefined {
  let last = ''
  return (step) => {
    if (!changes(step)) return undefined
    const name = nameOf(step, last)
    if (step.kind === 'rename') last = step.to ?? ''
    else if (step.kind === 'unlink') last = 'unlink'
    return name
  }
}

function nameOf({ kind, path }: Step, last: string): RepairStep | undefined {
  if (kind === 'sync') {
    if (path.endsWith('.sst')) return 'repair: sync a table'
    if (path.endsWith('.sst.tmp')) return 'repair: sync a copied table'
    if (path.endsWith('CURRENT.tmp')) return 'repair: sync CURRENT.tmp'
    return path.includes('MANIFEST') ? 'repair: sync the MANIFEST' : undefined
  }
  if (kind !== 'syncDir') return undefined
  if (path === '/') return 'repair: sync the parents of a new directory'
  if (path === PARENT) {
    if (last === OUT) return 'repair: sync the parent behind the publication'
    return last === UNFINISHED ? 'repair: sync the parent before the removal' : undefined
  }
  if (path !== UNFINISHED) return undefined
  if (last === '') return 'repair: sync the directory behind its mark'
  if (last === 'unlink') return 'repair: sync the directory before its mark goes'
  return last.endsWith('/CURRENT') ? 'repair: sync its directory' : undefined
}

/** A repair without the step, or with it behind another; `undefined`: as it is. Throws at the first crash that goes wrong. */
export async function crashRepair(
  step: RepairStep,
  ablated: boolean,
  behind?: RepairStep | undefined,
): Promise<void> {
  const isRemoval = step.includes('removal') || step.includes('mark goes')
  const canLink = step !== 'repair: sync a copied table'
  const image = await damagedStore()
  const whole = await diskOf(image)
  const report = await repair(SOURCE, { out: OUT, fileSystem: whole })
  const state = shownState((await outcomeOf(whole, KEYS, OUT)).state)
  const check = async (disk: MemoryFileSystem, isThere: boolean): Promise<void> => {
    if (!isThere && (await disk.stat(OUT)) === undefined) {
      const again = await repair(SOURCE, { out: OUT, fileSystem: disk })
      if (again.entries !== report.entries) throw new Error('the next repair brings back something else')
    }
    const { findings } = await verify(OUT, { fileSystem: disk })
    const [found] = findings.filter(({ severity }) => severity !== 'note')
    if (found !== undefined) throw new Error(`the repaired store is damaged: ${found.file}: ${found.what}`)
    if (shownState((await outcomeOf(disk, KEYS, OUT)).state) !== state)
      throw new Error('the repaired store holds something else')
  }
  const disk = await diskOf(image, SOURCE, { strict: true })
  const random = randomFrom(1)
  const seen = new Set<string>()
  const left: { crash: Crash; disk: MemoryFileSystem }[] = []
  const takeCrashes = (at?: Step): void => {
    const point = { disk, step: at }
    for (const crash of crashesAt(point, 1, random)) left.push({ crash, disk: imageOf(point, crash) })
  }
  const namer = repairNamer()
  let name: RepairStep | undefined
  const judge: Judge = (call): Verdict => {
    if (changes(call)) takeCrashes(call)
    name = namer(call)
    if (ablated && name === step) return behind === undefined ? 'skip' : () => name === behind
    if (isRemoval && name === 'repair: sync the parent behind the publication') return 'fail'
    return call.kind === 'link' && !canLink ? 'impossible' : 'make'
  }
  const isRepaired = await repair(SOURCE, { out: OUT, fileSystem: new StepFileSystem(disk, judge) }).then(
    () => true,
    () => false,
  )
  if (isRepaired === isRemoval) throw new Error('the repair ended otherwise')
  takeCrashes()
  if (isRepaired) await check(disk.crash('nothing', random), true)
  for (const one of left) {
    const print = await fingerprint(one.disk, isKill(one.crash))
    if (!seen.has(print)) await check(one.disk, false)
    seen.add(print)
  }
}

let made: Promise<Image> | undefined

/** A store with a table to be kept, one to be written anew, and a log. */
function damagedStore(): Promise<Image> {
  made ??= makeStore().then(({ closed }) => {
    const [table] = namesOf(closed, 'sst')
    return withFile(closed, table, flipped(bytesOf(closed, table), 0))
  })
  return made
}
