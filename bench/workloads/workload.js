/**
 * What a workload is, and the ones that come again and again.
 *
 * A group of workloads runs in one process on one store directory. Ways of writing have a group each, so that each begins with an empty store;
 * ways of reading share one, on a store that was loaded and has settled.
 *
 * @typedef {object} Context
 * @property {import('../stores/session.js').Session} session
 * @property {() => Promise<void>} close
 * @property {() => Promise<number>} open opens the closed store again, as `session`; the milliseconds that it took
 * @property {string} store the name of the store
 * @property {import('../data/dataset.js').Dataset} dataset
 * @property {number} n entries
 * @property {number} operations of the workloads that have a number of their own
 * @property {number} seed
 * @property {number} limitMs a workload ends after this long, even if it is not through
 * @property {string} directory
 * @property {{ bytes: number }} written the keys and values that the group has written so far
 *
 * @typedef {object} Outcome
 * @property {number} value
 * @property {boolean} [cut] whether the time limit ended it
 * @property {Record<string, number>} [details] `operations`, `seconds`; latencies `p50 p99 p999 longest` in microseconds; delays of the event
 *   loop `delayP50 …` in milliseconds
 *
 * @typedef {'per second' | 'share' | 'bytes' | 'ms'} Unit more is better per second, and as a share of what is possible; less is better of the others
 *
 * @typedef {object} Workload
 * @property {string} name
 * @property {string} title
 * @property {Unit} unit
 * @property {string} [goal] in words
 * @property {number} [goalRatio] Varve is to be so many times better than the best durable peer
 * @property {string} [goalRow] the workload in which that peer is taken, if it is another one
 * @property {number} [goalValue] Varve is to be at least as good as this, whatever the others do
 * @property {boolean} [goalOfAny] it is enough if Varve reaches that in one of its columns, say in memory
 * @property {string} [goalPeer] Varve is to be at least as good as this store, or `goalRatio` times as good
 * @property {(outcomes: Outcomes) => number | undefined} [derive] taken from other outcomes of its group
 *
 * @typedef {Record<string, Outcome | undefined>} Outcomes by the name of the workload
 *
 * @typedef {object} Group
 * @property {string} name
 * @property {string} title
 * @property {boolean} [sync] whether writes wait for the device
 * @property {boolean} [durableOnly]
 * @property {boolean} [defaults] whether the stores keep their own default cache, and no keys are held in memory
 * @property {string[]} [stores] that it is for, if the user names none
 * @property {(n: number) => number} [count] how many entries there are at `n`; `n` without it
 * @property {import('../data/dataset.js').Shape} [shape] of the entries
 * @property {Workload[]} workloads
 * @property {(context: Context, wanted: Set<string>) => Promise<Outcomes>} run
 *
 * @typedef {object} Family groups that make a table
 * @property {string} name
 * @property {string} title
 * @property {string} about
 * @property {Group[]} groups
 */

/** @param {string} name @param {string} title @param {number} [goalRatio] @returns {Workload} */
export const rate = (name, title, goalRatio) => ({
  name,
  title,
  unit: 'per second',
  ...(goalRatio === undefined ? {} : { goal: `≥ ${goalRatio} ×`, goalRatio }),
})

/** The delays of the event loop during a workload. @param {string} of @returns {Workload[]} */
export const delays = (of) => [
  {
    name: `${of}-delay-p99.9`,
    title: '… event loop delay, p99.9',
    unit: 'ms',
    goal: '≤ 10 ms',
    goalValue: 10,
    derive: (outcomes) => outcomes[of]?.details?.delayP999,
  },
  {
    name: `${of}-delay-max`,
    title: '… event loop delay, longest',
    unit: 'ms',
    goal: '≤ 50 ms',
    goalValue: 50,
    derive: (outcomes) => outcomes[of]?.details?.delayMax,
  },
]
