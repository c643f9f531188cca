/** Looks for a crash that shows that a step is missing. */
import { randomFrom } from '../model/random.js'
import { type Ablation, judgeOf } from './ablations.js'
import { Explorer } from './explorer.js'
import { type StepName, StepNamer } from './protocol.js'
import { parseReplay, replay, StaleReplayError } from './replay.js'
import { carryOut, type Sequence } from './run.js'
import { eachWordOnce, everySequence, shuffled } from './sequences.js'

/** How an ablation was found out. */
export interface Catch {
  readonly replay: string
  readonly message: string
  /** The crashes that were tried until then. */
  readonly states: number
  /** How often the step was left out meanwhile. */
  readonly ablated: number
}

class Caught extends Error {}

/** What goes wrong without the step in the crash of `line`; `undefined` when nothing does. With the step all must be well. */
export async function catchAgain(ablation: Ablation, line: string): Promise<string | undefined> {
  const message = await replay(parseReplay(line), judgeOf(ablation)).then(
    () => undefined,
    (error: Error) => (error instanceof StaleReplayError ? undefined : error.message),
  )
  if (message !== undefined) await replay(parseReplay(line))
  return message
}

/** The first crash that goes wrong without the step; `undefined` when there is none in so many. */
export async function findCatch(ablation: Ablation, mostStates: number): Promise<Catch | undefined> {
  let line = ''
  let ablated = 0
  const explorer = new Explorer({
    seed: 1,
    density: 1,
    recoveryShare: 0.02,
    againShare: 1,
    thoroughShare: 1,
    judge: judgeOf(ablation, () => ablated++),
    onFailure: (crash, error) => {
      line = crash
      throw new Caught(error instanceof Error ? error.message : String(error))
    },
  })
  try {
    for (const { sequence, resumes } of await inOrder(ablation)) {
      await (resumes ? explorer.exploreResumes(sequence) : explorer.explore(sequence))
      if (explorer.counts.states > mostStates) break
    }
  } catch (error) {
    if (!(error instanceof Caught)) throw error
    return { replay: line, message: error.message, states: explorer.counts.states, ablated }
  }
  return undefined
}

/** What is explored: all crashes behind the last letter, or behind a resume from what fails in it. */
interface Exploration {
  readonly sequence: Sequence
  readonly resumes: boolean
}

/**
 * Sequences that take the step with their last letter come first, and of them short ones in the default mode. Where none
 * takes it, it is one of a resume.
 */
async function inOrder({ step }: Ablation): Promise<Exploration[]> {
  known ??= withSteps()
  const all = await known
  const takes = all.filter(({ steps }) => steps.has(step))
  const ordered = [...takes, ...all.filter(({ steps }) => !steps.has(step))]
  return ordered.map(({ sequence }) => ({ sequence, resumes: takes.length === 0 }))
}

interface KnownSequence {
  readonly sequence: Sequence
  /** The steps that its last letter takes. */
  readonly steps: ReadonlySet<StepName>
}

let known: Promise<KnownSequence[]> | undefined

async function withSteps(): Promise<KnownSequence[]> {
  const isDefault = ({ mode }: Sequence): boolean => mode === 'hybrid-os'
  const all = everySequence(1).sort((a, b) => Number(isDefault(b)) - Number(isDefault(a)))
  all.push(...shuffled(eachWordOnce(2, 0), 0, randomFrom(1)))
  const found: KnownSequence[] = []
  for (const sequence of all) found.push({ sequence, steps: await stepsOf(sequence) })
  return found
}

async function stepsOf(sequence: Sequence): Promise<Set<StepName>> {
  const namer = new StepNamer()
  const steps = new Set<StepName>()
  let place = -1
  await carryOut(sequence, {
    onLetter: () => place++,
    judge: () => (step) => {
      const name = namer.name(step)
      if (name !== undefined && place === sequence.letters.length - 1) steps.add(name)
      return 'make'
    },
  })
  return steps
}
