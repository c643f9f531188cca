/** A memory limit that the kernel enforces: a cgroup, version 1 or 2, with a process in it. Linux, and only where we may make one. */
import { fork, spawn } from 'node:child_process'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** The files that hold the limit, of version 2 and of version 1. */
const LIMIT_FILES = ['memory.max', 'memory.limit_in_bytes']
const REMOVAL_ATTEMPTS = 20

export class MemoryGroup {
  /** The directory of the group. */
  path
  #made

  /** @param {string} path @param {boolean} made whether it is ours to remove */
  constructor(path, made) {
    this.path = path
    this.#made = made
  }

  /** A group that is there already, with this limit. @param {string} path @param {number} bytes */
  static async existing(path, bytes) {
    await setLimit(path, bytes)
    return new MemoryGroup(path, false)
  }

  /**
   * A new group with the limit, or the reason why there is none.
   * @param {number} bytes
   * @returns {Promise<MemoryGroup | string>}
   */
  static async make(bytes) {
    /** @type {string[]} */
    const reasons = []
    for (const parent of await candidates()) {
      const path = join(parent, `varve-memory-${process.pid}`)
      try {
        await mkdir(path)
        await setLimit(path, bytes)
        return new MemoryGroup(path, true)
      } catch (error) {
        await rmdir(path).catch(() => {})
        reasons.push(error instanceof Error ? error.message : String(error))
      }
    }
    return reasons.join('; ') || 'there is no cgroup with a memory controller'
  }

  async remove() {
    if (!this.#made) return
    for (let attempt = 0; attempt < REMOVAL_ATTEMPTS; attempt++) {
      // The last process may not be quite gone.
      const gone = await rmdir(this.path).then(
        () => true,
        () => false,
      )
      if (gone) return
      await sleep(50)
    }
  }
}

/** The directories below which a group may be made: that of our own group, then the topmost. */
async function candidates() {
  const groups = await readFile('/proc/self/cgroup', 'utf8').catch(() => '')
  const versionOne = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1]
  if (versionOne !== undefined) {
    const root = '/sys/fs/cgroup/memory'
    return [join(root, versionOne), root]
  }
  const versionTwo = /^0::(.*)$/m.exec(groups)?.[1]
  const root = '/sys/fs/cgroup'
  const controllers = await readFile(join(root, 'cgroup.controllers'), 'utf8').catch(() => '')
  return versionTwo !== undefined && controllers.includes('memory') ? [join(root, versionTwo), root] : []
}

/** @param {string} path @param {number} bytes */
async function setLimit(path, bytes) {
  const names = await readdir(path)
  const name = LIMIT_FILES.find((file) => names.includes(file))
  if (name === undefined) throw new Error(`${path} has neither of ${LIMIT_FILES.join(', ')}`)
  await writeFile(join(path, name), String(bytes))
}

/**
 * Forks a script, in the group if there is one: the process goes into it before Node.js begins, so that all of its memory counts.
 * @param {string} script @param {MemoryGroup | undefined} group
 */
export function forkInto(script, group) {
  /** @type {import('node:child_process').StdioOptions} */
  const stdio = ['ignore', 'inherit', 'inherit', 'ipc']
  if (group === undefined) return fork(script, { stdio })
  const enter = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
  return spawn('/bin/sh', ['-c', enter, 'sh', group.path, process.execPath, script], { stdio })
}
