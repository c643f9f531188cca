/** Every rule that files of a store keep, and how to break it alone: all checksums are right. */
import { blockForgeries } from './blocks.js'
import { logForgeries } from './logs.js'
import { manifestForgeries } from './manifests.js'
import { nameForgeries } from './names.js'
import { contentForgeries } from './table-contents.js'
import { tableForgeries } from './tables.js'

/**
 * @typedef {object} Forgery
 * @property {string} rule what the files of a store keep to, and these do not
 * @property {'open' | 'read' | 'scan' | 'verify'} by who must refuse: opening; reading everything; reading everything in one step;
 *   none of them, but `verify`. What is refused otherwise is found by `verify` too
 * @property {string | RegExp} what what is said of it
 * @property {string | RegExp} [verifyWhat] what `verify` says, when that is something else
 * @property {boolean} [isLater] whether it is what a later version may write: `repair` refuses it too, as no damage
 * @property {(store: import('./forged-store.js').ForgedStore) => string} forge breaks the rule; returns the name of the file that must be named
 */

/** @type {readonly Forgery[]} */
export const forgeries = [
  ...blockForgeries,
  ...tableForgeries,
  ...contentForgeries,
  ...manifestForgeries,
  ...logForgeries,
  ...nameForgeries,
]

const byRule = new Map(forgeries.map((forgery) => [forgery.rule, forgery]))

/** @param {string} rule */
export function forgeryOf(rule) {
  return byRule.get(rule)
}
