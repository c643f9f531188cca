/**
 * Target: repairing a store of which one file is hostile. What repair makes must be sound, whatever it was made of: it
 * opens, is found without fault, and reads alike in both directions.
 */
import { VarveError } from '../../dist/base/errors.js'
import { InlineExecutor } from '../../dist/env/executor.js'
import { ManualClock } from '../../dist/env/manual-clock.js'
import { open } from '../../dist/store/open.js'
import { repair as repairStore } from '../../dist/store/repair.js'
import { verify } from '../../dist/store/verify.js'
import {
  fileSystemWith,
  GuardedFileSystem,
  REPAIRED_PATH,
  STORE_PATH,
  unpackDirectory,
} from '../directory.js'
import { Digest, Finding } from '../outcome.js'
import { checkError, store, TINY } from './store.js'

/** @type {import('./index.js').Target} */
export const repair = {
  name: 'repair',
  codes: ['CORRUPTION', 'UNSUPPORTED_FORMAT', 'NOT_FOUND', 'INVALID_ARGUMENT', 'IO_ERROR'],
  isPure: false,
  seeds: store.seeds,
  mutate: store.mutate,
  async run(input) {
    const files = unpackDirectory(input)
    const total = [...files.values()].reduce((sum, { length }) => sum + length, 0)
    const below = await fileSystemWith(files)
    const roots = [STORE_PATH, REPAIRED_PATH, `${REPAIRED_PATH}.tmp`]
    const fileSystem = /** @type {any} */ (new GuardedFileSystem(below, total, roots))
    const digest = new Digest()
    try {
      const report = await repairStore(STORE_PATH, { out: REPAIRED_PATH, fileSystem })
      digest.number(report.entries)
    } catch (error) {
      checkError(fileSystem.finding ?? error)
      throw error
    }
    await checkSound(fileSystem, digest)
    if (below.openCount !== 0) throw new Finding(`leaves ${below.openCount} files open`)
    return digest.toString()
  },
}

/** @param {any} fileSystem @param {Digest} digest */
async function checkSound(fileSystem, digest) {
  try {
    const { findings } = await verify(REPAIRED_PATH, { fileSystem })
    const faults = findings.filter(({ severity }) => severity !== 'note')
    if (faults.length > 0) throw new Finding(`repairs to a store with a fault: ${faults[0].what}`)
    const surroundings = { fileSystem, clock: new ManualClock(), executor: new InlineExecutor() }
    const repaired = await open(REPAIRED_PATH, { ...TINY, ...surroundings, valueEncoding: 'msgpack' })
    const forwards = await repaired.keys().all()
    const backwards = await repaired.keys({ reverse: true }).all()
    for (const key of forwards) digest.bytes(Buffer.from(key))
    if (forwards.join() !== backwards.reverse().join())
      throw new Finding('repairs to a store that reads in two ways')
    await repaired.compact()
    await repaired.close()
  } catch (error) {
    if (error instanceof Finding) throw error
    // The store says of itself that its keys are of another encoding, which nothing contradicts.
    if (error instanceof VarveError && error.message.includes('keyEncoding')) return
    throw new Finding(`repairs to a store that answers with ${error}`, { cause: error })
  }
}
