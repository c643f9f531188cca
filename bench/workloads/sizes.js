/** Large values and keys of every length. As many bytes as `n` values of 1 KiB, so that a table of 1 MiB values takes as long as one of 1 KiB. */
import { variedKey } from '../data/keys.js'
import { withLoopDelay } from '../measure/loop-delay.js'
import { directorySize } from '../measure/system.js'
import { throughAll } from './loops.js'
import { getFastest, runWanted } from './reads.js'
import { delays, rate } from './workload.js'
import { loadAndSettle, putAwaited } from './writing.js'

const KIBIBYTE = 1024
const FEWEST_ENTRIES = 20
const MOST_GETS = 100_000
/** Few large values are read several times. */
const GETS_AN_ENTRY = 4

/**
 * @param {string} name @param {string} title @param {import('../data/dataset.js').Shape} shape @param {number} entryBytes
 * @returns {import('./workload.js').Group[]}
 */
function sizeGroups(name, title, shape, entryBytes) {
  /** @param {number} n */
  const count = (n) => Math.max(FEWEST_ENTRIES, Math.round((n * KIBIBYTE) / entryBytes))
  return [
    {
      name: `put-${name}`,
      title: `puts of ${title}`,
      count,
      shape,
      workloads: [rate(`put-${name}`, `put, ${title}, each awaited`), ...delays(`put-${name}`)],
      run: async (context) => ({ [`put-${name}`]: await withLoopDelay(() => putAwaited(context)) }),
    },
    {
      name: `read-${name}`,
      title: `reads of ${title}`,
      count,
      shape,
      workloads: [
        rate(`get-${name}`, `get, ${title} (fastest way)`),
        rate(`scan-${name}`, `full scan, ${title}`),
        { name: `disk-${name}`, title: `bytes on disk, ${title}`, unit: 'bytes' },
      ],
      run: async (context, wanted) => {
        const { session, dataset } = context
        await loadAndSettle(context)
        const disk = await directorySize(context.directory)
        const entries = dataset.keys.length
        return runWanted(
          {
            [`get-${name}`]: () =>
              getFastest(context, dataset.sample(Math.min(entries * GETS_AN_ENTRY, MOST_GETS), 7)),
            [`scan-${name}`]: () => throughAll(context, entries, session.scan),
            [`disk-${name}`]: () => (disk > 0 ? { value: disk } : undefined),
          },
          wanted,
        )
      },
    },
  ]
}

/** @type {import('./workload.js').Family} */
export const sizes = {
  name: 'sizes',
  title: 'Large values, short and long keys',
  about:
    'Values of 1 KiB, 64 KiB and 1 MiB; keys of 1 to 1,000 bytes, as many between 10 and 100 bytes as between 100 and 1,000, with values of 100 ' +
    'bytes. Each with as many bytes in all as n values of 1 KiB.',
  groups: [
    ...sizeGroups('1k', 'values of 1 KiB', { valueLength: KIBIBYTE }, KIBIBYTE),
    ...sizeGroups('64k', 'values of 64 KiB', { valueLength: 64 * KIBIBYTE }, 64 * KIBIBYTE),
    ...sizeGroups('1m', 'values of 1 MiB', { valueLength: KIBIBYTE ** 2 }, KIBIBYTE ** 2),
    ...sizeGroups('keys', 'keys of 1 to 1,000 bytes', { keyOf: variedKey }, KIBIBYTE),
  ],
}
