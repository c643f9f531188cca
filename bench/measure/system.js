/** What the operating system knows: memory of a process, files of a directory, the machine. */
import { spawnSync } from 'node:child_process'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'

/** The bytes that the files below `directory` take on the disk; 0 where there is none. @param {string} directory */
export async function directorySize(directory) {
  let total = 0
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const { size, blocks } = await stat(join(entry.parentPath ?? entry.path, entry.name))
    // A sparse file is longer than what it takes; a short one takes a whole block.
    total += Math.min(size, blocks * 512 || size)
  }
  return total
}

/**
 * A field of `/proc/<pid>/status` in bytes, or `undefined` where there is no such thing.
 * @param {string} field @param {number | 'self'} pid
 */
async function procStatus(field, pid) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]
  return kibibytes === undefined ? undefined : Number(kibibytes) * 1024
}

/** The most memory that this process has had resident, in bytes. */
export async function peakMemory() {
  return (await procStatus('VmHWM', 'self')) ?? process.resourceUsage().maxRSS * 1024
}

/** The memory of this process that is not pages of files, which the system can take back, in bytes (Linux). */
export const anonymousMemory = () => procStatus('RssAnon', 'self')

/** The resident memory of another process, in bytes (Linux). @param {number} pid */
export const residentMemory = (pid) => procStatus('VmRSS', pid)

/** The revision of the sources, marked if they have been changed since; nothing without git. */
function revision() {
  const { status, stdout } = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: new URL('.', import.meta.url),
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : ''
}

/** The machine and the sources, for the head of a report. */
export function machine() {
  const processors = cpus()
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memory: totalmem(),
    // What else the machine has to do: the average of the last minute.
    load: loadavg()[0],
    revision: revision(),
  }
}

/**
 * What this process (all of its threads) has read from and written to the device so far: Linux counts a page of a file when it becomes dirty,
 * be it by `write` or through a memory map, so that stores of every kind can be compared. `undefined` elsewhere.
 */
export async function deviceBytes() {
  const io = await readFile('/proc/self/io', 'utf8').catch(() => '')
  /** @param {string} name */
  const count = (name) => Number(new RegExp(`^${name}: (\\d+)$`, 'm').exec(io)?.[1])
  return io === '' ? undefined : { read: count('read_bytes'), written: count('write_bytes') }
}

/** Lets the peak of `peakMemory` begin anew from what is resident now; whether the system lets us. */
export async function resetPeakMemory() {
  return writeFile('/proc/self/clear_refs', '5').then(
    () => true,
    () => false,
  )
}
