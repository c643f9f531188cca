/** The families of workloads, and how a user picks from them. */
import { dbBench } from './db-bench.js'
import { goDesign } from './go-design.js'
import { largerThanMemory } from './larger-than-memory.js'
import { scaling } from './scaling.js'
import { sizes } from './sizes.js'
import { standard } from './standard.js'
import { ycsb } from './ycsb.js'

/** What `npm run bench` offers. */
export const families = [standard, ycsb, dbBench, sizes, goDesign]

/** Every group there is, also those that other commands run. */
export const allGroups = [...families, scaling, largerThanMemory].flatMap(({ groups }) => groups)

/** @typedef {import('./workload.js').Family} Family */

/** The names that a user can pick: of families, groups and workloads. */
export const names = families.flatMap((family) => [
  family.name,
  ...family.groups.flatMap((group) => [group.name, ...group.workloads.map(({ name }) => name)]),
])

/**
 * The families with what is wanted of them; a group or family that is named is wanted whole.
 * @param {Set<string>} wanted
 * @returns {Family[]}
 */
export function pick(wanted) {
  return families
    .map((family) => ({
      ...family,
      groups: family.groups
        .map((group) => ({
          ...group,
          workloads:
            wanted.has(family.name) || wanted.has(group.name)
              ? group.workloads
              : group.workloads.filter(({ name }) => wanted.has(name)),
        }))
        .filter(({ workloads }) => workloads.length > 0),
    }))
    .filter(({ groups }) => groups.length > 0)
}
