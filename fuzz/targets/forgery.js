/**
 * Target: a whole store in which one rule is broken, everything else right: every checksum, length and mark. Where the target
 * `store` asks for a value or a typed error, here the answer is known: the damage is found, by whom it must be, and named as what
 * it is and where it is. Repair makes a sound store of it.
 */
import { VarveError } from '../../dist/base/errors.js'
import { InlineExecutor } from '../../dist/env/executor.js'
import { ManualClock } from '../../dist/env/manual-clock.js'
import { open } from '../../dist/store/open.js'
import { verify } from '../../dist/store/verify.js'
import {
  fileSystemWith,
  filesIn,
  GuardedFileSystem,
  packDirectory,
  STORE_PATH,
  unpackDirectory,
} from '../directory.js'
import { ForgedStore } from '../forgeries/forged-store.js'
import { forgeries, forgeryOf } from '../forgeries/index.js'
import { Finding } from '../outcome.js'
import { repair } from './repair.js'
import { TINY, store as wholeStore } from './store.js'

/** @typedef {import('../forgeries/index.js').Forgery} Forgery */

/** No file of a store: an entry of the input that tells which rule is broken, and in which file. */
const RULE_NAME = '\0rule'

/** A store with tables in two levels, expiries, and a log of three segments. @param {boolean} isClosed */
async function directoryOf(isClosed) {
  const fileSystem = await fileSystemWith(new Map())
  let state = 11
  const store = await open(STORE_PATH, {
    ...TINY,
    memtableSize: 65_536,
    walSegmentSize: 2048,
    compression: 'none',
    fileSystem: /** @type {any} */ (fileSystem),
    clock: new ManualClock(),
    executor: new InlineExecutor(),
    random: () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647,
    valueEncoding: 'msgpack',
  })
  const fill = async (/** @type {string} */ prefix, /** @type {number} */ count) => {
    for (let i = 0; i < count; i++)
      await store.set(`${prefix}${i + 10}`, [i, '.'.repeat(60)], i % 4 === 0 ? { ttl: 1e6 } : {})
  }
  await fill('key', 30)
  await store.flush()
  await fill('key', 89)
  await store.compact()
  await fill('key', 12)
  await store.delete('key30')
  await store.snapshot({ name: 'first' })
  await store.flush()
  await fill('log', 36)
  if (isClosed) await store.close()
  const files = await filesIn(fileSystem)
  if (!isClosed) await store.close()
  return packDirectory(files)
}

const seeds = await Promise.all([directoryOf(false), directoryOf(true)])

/** @type {import('./index.js').Target} */
export const forgery = {
  name: 'forgery',
  codes: [],
  isPure: false,
  isWhole: true,
  seeds: () => seeds,
  mutate(input, random) {
    const files = unpackDirectory(input)
    if (files.has(RULE_NAME)) return input
    return forged(random.pick(forgeries), files, random)
  },
  async run(input) {
    const files = unpackDirectory(input)
    await checkForged(files)
    return wholeStore.run(packDirectory(files))
  },
}

/** Throws a {@link Finding} unless the broken rule is found and can be repaired. Takes the word about it out. @param {import('../directory.js').Files} files */
export async function checkForged(files) {
  const rule = files.get(RULE_NAME)
  if (rule === undefined) return
  files.delete(RULE_NAME)
  const { rule: name, file } = JSON.parse(Buffer.from(rule).toString())
  const forgery = forgeryOf(name)
  // A rule that is no more: a kept input outlives it.
  if (forgery === undefined) return
  await checkVerify(files, forgery, file)
  if (forgery.by !== 'verify') {
    await checkOpening(files, forgery, file, true)
    await checkOpening(files, forgery, file, false)
  }
  // What a later version wrote is not damaged: made anew without it, the store would lose it.
  const refusal = await repair.run(packDirectory(files)).then(
    () => undefined,
    (error) => error,
  )
  if (refusal instanceof Finding) throw refusal
  if (forgery.isLater && refusal?.code !== 'UNSUPPORTED_FORMAT')
    throw new Finding(`repair takes it for damage that '${name}' is broken: ${refusal}`)
  if (!forgery.isLater && refusal !== undefined)
    throw new Finding(`repair gives up where '${name}' is broken: ${refusal}`)
}

/** Breaks one rule in a directory. @param {Forgery} forgery @param {import('../directory.js').Files} files @param {import('../random.js').Random} random */
export function forged(forgery, files, random) {
  const store = new ForgedStore(files, random)
  const file = forgery.forge(store)
  const broken = store.finish()
  broken.set(RULE_NAME, new Uint8Array(Buffer.from(JSON.stringify({ rule: forgery.rule, file }))))
  return packDirectory(broken)
}

/** @param {unknown} error */
function onlyTyped(error) {
  if (!(error instanceof VarveError)) throw error
}

/** @param {string} text @param {string | RegExp} what */
const says = (text, what) => (typeof what === 'string' ? text.includes(what) : what.test(text))

/** @param {import('../directory.js').Files} files */
async function guarded(files) {
  const largest = Math.max(0, ...[...files.values()].map(({ length }) => length))
  return new GuardedFileSystem(await fileSystemWith(files), largest)
}

/** @param {import('../directory.js').Files} files @param {Forgery} forgery @param {string} file */
async function checkVerify(files, { rule, what, verifyWhat = what }, file) {
  const fileSystem = /** @type {any} */ (await guarded(files))
  const { findings, ok } = await verify(STORE_PATH, { fileSystem })
  const told = findings.filter(({ severity }) => severity !== 'note')
  if (!ok && told.some((finding) => finding.file === file && says(finding.what, verifyWhat))) return
  const list = told.map((finding) => `${finding.file}: ${finding.what}`).join('; ')
  throw new Finding(`verify does not find that '${rule}' is broken in ${file}, but: ${list}`)
}

/** @param {import('../directory.js').Files} files @param {Forgery} forgery @param {string} file @param {boolean} readOnly */
async function checkOpening(files, { rule, by, what }, file, readOnly) {
  const fileSystem = /** @type {any} */ (await guarded(files))
  /** @type {any} */
  const surroundings = { ...TINY, fileSystem, clock: new ManualClock(), executor: new InlineExecutor() }
  const how = readOnly ? 'read-only opening' : 'opening'
  const refuse = async (/** @type {string} */ step, /** @type {() => Promise<unknown>} */ action) => {
    const error = await action().then(
      () => undefined,
      (thrown) => thrown,
    )
    if (fileSystem.finding !== undefined) throw fileSystem.finding
    const isRefused =
      error instanceof VarveError &&
      ['CORRUPTION', 'UNSUPPORTED_FORMAT'].includes(error.code) &&
      says(error.message, what) &&
      error.path === `${STORE_PATH}/${file}`
    if (!isRefused) throw new Finding(`${step} does not refuse that '${rule}' is broken in ${file}: ${error}`)
  }
  const opening = async () =>
    readOnly
      ? open(STORE_PATH, { ...surroundings, readOnly: true, valueEncoding: 'msgpack' })
      : open(STORE_PATH, { ...surroundings, valueEncoding: 'msgpack' })
  if (by === 'open') {
    await refuse(how, opening)
    return
  }
  const opened = await opening().catch((error) => {
    throw new Finding(`${how} is refused where '${rule}' is broken: ${error}`)
  })
  try {
    for (const reverse of [false, true]) {
      const direction = `reading ${reverse ? 'backwards' : 'forwards'} behind ${how}`
      await refuse(direction, async () => [...opened.keys({ reverse })])
      if (by === 'read') await refuse(direction, () => opened.keys({ reverse }).all())
    }
  } finally {
    await opened.close().catch(onlyTyped)
  }
}
