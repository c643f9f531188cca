/** What is taken out of the protocols, by name: each sync alone, and each order that rests on one. */
import { STEPS, type StepName, StepNamer } from './protocol.js'
import { REPAIR_ORDERS } from './repair-scenarios.js'
import type { Judge, Step } from './step-file-system.js'

export interface Ablation {
  readonly name: string
  /** What the step is for. */
  readonly why: string
  /** The step that is left out, or made late. */
  readonly step: StepName
  /** The step behind which it is made; undefined: never. */
  readonly behind?: StepName
}

/** The orders: the first is durable before the second begins. */
const ORDERS: readonly (readonly [StepName, StepName])[] = [
  ['log: sync the directory behind a new segment', 'log: sync groups'],
  ['log: sync the header of a segment', 'log: sync groups'],
  ['log: sync the seal', 'log: sync the header of a segment'],
  ['log: sync groups', 'log: sync the close record'],
  ['log: sync the header of a chain of its own', 'log: delete a segment'],
  ['log: sync what is written again', 'log: sync the directory behind its renaming'],
  ['log: sync the directory behind its renaming', 'MANIFEST: sync edits'],
  ['table: sync the bytes', 'MANIFEST: sync edits'],
  ['table: sync the directory', 'MANIFEST: sync edits'],
  ['restore: sync the directory', 'MANIFEST: sync edits'],
  ['MANIFEST: sync edits', 'table: delete'],
  ['MANIFEST: sync edits', 'log: delete a segment'],
  ['MANIFEST: sync the snapshot', 'CURRENT: sync the directory behind the rename'],
  ['CURRENT: sync CURRENT.tmp', 'CURRENT: sync the directory behind the rename'],
  ['CURRENT: sync the directory behind the rename', 'MANIFEST: delete'],
  ['snapshot: sync its directory', 'snapshot: sync the parent behind the publication'],
  ['snapshot: sync the parent before the deletion', 'snapshot: delete a file'],
  ...REPAIR_ORDERS,
]

export const ABLATIONS: readonly Ablation[] = [
  ...(Object.keys(STEPS) as StepName[])
    .filter((step) => STEPS[step] !== '')
    .map((step): Ablation => ({ name: step, why: STEPS[step], step })),
  ...ORDERS.map(([step, behind]): Ablation => {
    return { name: `${step} → ${behind}`, why: 'in this order', step, behind }
  }),
]

/** Leaves the step out of every process; `onAblated` is told whenever it does. */
export function judgeOf({ step, behind }: Ablation, onAblated: () => void = () => undefined): () => Judge {
  return () => {
    const namer = new StepNamer()
    let last: StepName | undefined
    return (call: Step) => {
      last = namer.name(call)
      if (last !== step) return 'make'
      onAblated()
      return behind === undefined ? 'skip' : () => last === behind
    }
  }
}
