/**
 * What a run has found so far, on the disk: the plan in the first line, then a line for each task that has ended. A run that was interrupted goes
 * on from there.
 */
import { appendFile, readFile, writeFile } from 'node:fs/promises'

/**
 * @typedef {object} Plan
 * @property {string} date
 * @property {ReturnType<typeof import('../measure/system.js').machine>} machine
 * @property {'bench' | 'scaling' | 'larger'} command
 * @property {string[]} only names of workloads, groups and families; none of them: all
 * @property {number[]} sizes
 * @property {number | undefined} operations
 * @property {number} rounds
 * @property {number} seed
 * @property {number} cacheSize
 * @property {number} limitMs
 * @property {boolean} storesNamed whether the user has named the stores, so that groups have no say
 * @property {import('./command-line.js').Contender[]} stores
 * @property {{ bytes: number, unenforced?: string | undefined }} [memoryLimit] of each process; or why it cannot be enforced
 *
 * @typedef {object} Finished
 * @property {string} store
 * @property {string} group
 * @property {number} n
 * @property {number} round
 * @property {number} seconds
 * @property {import('../workloads/workload.js').Outcomes} [outcomes]
 * @property {import('./child.js').Resources} [resources]
 * @property {string} [error]
 */

export class Journal {
  /** @type {Plan} */
  plan
  /** @type {Finished[]} */
  finished
  #file

  /** @param {string} file @param {Plan} plan @param {Finished[]} finished */
  constructor(file, plan, finished) {
    this.#file = file
    this.plan = plan
    this.finished = finished
  }

  get file() {
    return this.#file
  }

  /** @param {string} file @param {Plan} plan */
  static async begin(file, plan) {
    await writeFile(file, `${JSON.stringify(plan)}\n`, { flag: 'wx' })
    return new Journal(file, plan, [])
  }

  /** What failed is tried again. @param {string} file */
  static async resume(file) {
    const [plan, ...lines] = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
    const finished = lines.map((line) => /** @type {Finished} */ (JSON.parse(line)))
    return new Journal(
      file,
      JSON.parse(plan),
      finished.filter(({ error }) => error === undefined),
    )
  }

  /** @param {Omit<Finished, 'seconds'>} task */
  has({ store, group, n, round }) {
    return this.finished.some(
      (one) => one.store === store && one.group === group && one.n === n && one.round === round,
    )
  }

  /** @param {Finished} task */
  async add(task) {
    this.finished.push(task)
    await appendFile(this.#file, `${JSON.stringify(task)}\n`)
  }
}
