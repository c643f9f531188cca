/** The points of a recovery: where a second crash may come. */
import { copyOf } from '../../src/base/bytes.js'
import { open } from '../../src/index.js'
import { InlineExecutor, ManualClock, type MemoryFileSystem } from '../../src/testing.js'
import { randomFrom } from '../model/random.js'
import type { Point } from './run.js'
import { DIRECTORY, MODES, OPTIONS } from './settings.js'
import { changes, type Judge, lenient, StepFileSystem } from './step-file-system.js'
import { drive, settle } from './turns.js'

/** A point of a recovery: what was promised before is all that is promised. */
export type RecoveryPoint = Pick<Point, 'index' | 'step' | 'disk'>

/** Opens the store in `image` and forks it before every call that changes something, and at the end. */
export async function recoveryPoints(
  image: MemoryFileSystem,
  mode: string,
  now: number,
  judge: Judge = lenient,
): Promise<RecoveryPoint[]> {
  const points: RecoveryPoint[] = []
  const fileSystem = new StepFileSystem(image, (step) => {
    if (changes(step)) {
      const kept = step.bytes === undefined ? step : { ...step, bytes: copyOf(step.bytes) }
      points.push({ index: points.length, step: kept, disk: image.fork() })
    }
    return judge(step)
  })
  const clock = new ManualClock(now)
  const options = { ...OPTIONS, ...MODES.get(mode), fileSystem, clock, random: randomFrom(3) }
  await drive(open<string, string>(DIRECTORY, { ...options, executor: new InlineExecutor() }), clock)
  await settle(() => points.length)
  points.push({ index: points.length, step: undefined, disk: image.fork() })
  return points
}
