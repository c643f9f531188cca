/** All targets. */
import { jsonValue, message, msgpackValue, orderedKey, utf8 } from './encodings.js'
import { forgery } from './forgery.js'
import { operation, record, wal } from './logs.js'
import { repair } from './repair.js'
import { store } from './store.js'
import {
  compression,
  expiryIndex,
  filter,
  footer,
  physicalBlock,
  properties,
  smallSnappy,
} from './table-parts.js'
import { block, indexBlock, table } from './tables.js'
import { current, lock, manifest, snapshotFacts, versionEdit } from './versions.js'

/**
 * @typedef {object} Target
 * @property {string} name
 * @property {readonly string[]} codes the codes of errors that are a right answer
 * @property {boolean} [isPure] false: what it answers depends on more than the bytes, so that it is asked once only
 * @property {boolean} [isWhole] true: what is found is kept as it is, and not made smaller
 * @property {() => Uint8Array[]} seeds valid inputs, made by the real builders, and some that once were trouble
 * @property {(bytes: Uint8Array, random: import('../random.js').Random, seeds: readonly Uint8Array[]) => Uint8Array} mutate
 *   a mutation with the checksums put right
 * @property {(bytes: Uint8Array) => string | Promise<string>} run decodes and reads everything; a digest of what it found
 */

/** @type {readonly Target[]} */
export const targets = [
  record,
  operation,
  wal,
  block,
  indexBlock,
  filter,
  expiryIndex,
  footer,
  properties,
  compression,
  smallSnappy,
  physicalBlock,
  table,
  message,
  versionEdit,
  manifest,
  current,
  snapshotFacts,
  lock,
  orderedKey,
  utf8,
  msgpackValue,
  jsonValue,
  store,
  repair,
  forgery,
]

/** @param {string} name */
export function targetOf(name) {
  return targets.find((target) => target.name === name)
}
