/**
 * A store's directory as one input: its files, names and all, in a row. So a kept input stays what it was, whatever
 * later versions would write.
 */
import { readU32, writeU32 } from '../dist/base/bytes.js'
import { MemoryFileSystem } from '../dist/env/memory-file-system.js'
import { Finding } from './outcome.js'

/** Where the directory stands, one level below the root: what is beside it must stay out of reach. */
export const STORE_PATH = '/outer/store'

/** Where a repaired store is made. */
export const REPAIRED_PATH = '/outer/repaired'

/** @typedef {Map<string, Uint8Array>} Files contents by path inside the directory */

/** @param {Files} files */
export function packDirectory(files) {
  const pieces = [...files].flatMap(([name, bytes]) => {
    const nameBytes = Buffer.from(name)
    const head = new Uint8Array(8)
    writeU32(head, 0, nameBytes.length)
    writeU32(head, 4, bytes.length)
    return [head, nameBytes, bytes]
  })
  return new Uint8Array(Buffer.concat(pieces))
}

/** @param {Uint8Array} input @returns {Files} */
export function unpackDirectory(input) {
  const files = new Map()
  for (let at = 0; at + 8 <= input.length; ) {
    const [nameLength, length] = [readU32(input, at), readU32(input, at + 4)]
    const start = at + 8 + nameLength
    if (start + length > input.length) break
    files.set(Buffer.from(input.subarray(at + 8, start)).toString(), input.slice(start, start + length))
    at = start + length
  }
  return files
}

/** A file system that holds `files`, and something beside them. @param {Files} files */
export async function fileSystemWith(files) {
  const fileSystem = new MemoryFileSystem({ strict: false })
  await fileSystem.mkdir(STORE_PATH)
  for (const [name, bytes] of files) {
    const path = `${STORE_PATH}/${name}`
    try {
      await fileSystem.mkdir(path.slice(0, path.lastIndexOf('/')))
      const file = fileSystem.openSync(path, 'create')
      file.writeSync(bytes, 0)
      file.closeSync()
    } catch {
      // A name that stands there already, or below a file.
    }
  }
  return fileSystem
}

/** All files below `path`. @param {MemoryFileSystem} fileSystem @param {string} [path] @returns {Promise<Files>} */
export async function filesIn(fileSystem, path = STORE_PATH) {
  /** @type {Files} */
  const files = new Map()
  for (const name of await fileSystem.readdir(path)) {
    const status = await fileSystem.stat(`${path}/${name}`)
    if (status?.kind === 'directory') {
      for (const [below, bytes] of await filesIn(fileSystem, `${path}/${name}`))
        files.set(`${name}/${below}`, bytes)
    } else if (name !== 'LOCK') {
      const bytes = new Uint8Array(status?.sizeBytes ?? 0)
      fileSystem.openSync(`${path}/${name}`, 'read').readSync(bytes, 0)
      files.set(name, bytes)
    }
  }
  return files
}

/** More than any small directory takes. */
const OPERATION_LIMIT = 20_000
/** What is read at once beyond the largest file: files are copied in pieces of this size. */
const READ_SLACK = 1 << 18

/**
 * Watches over a file system: nothing outside the directories that are meant is opened, made, renamed or deleted, no read asks
 * for more than there is, and work comes to an end.
 */
export class GuardedFileSystem {
  #below
  #roots
  #operations = 0
  #largest
  /** The first thing that was wrong. @type {Finding | undefined} */
  finding

  /**
   * @param {MemoryFileSystem} below @param {number} largestBytes of a file in it
   * @param {readonly string[]} [roots] the directories that are meant
   */
  constructor(below, largestBytes, roots = [STORE_PATH]) {
    this.#below = below
    this.#roots = roots
    this.#largest = largestBytes + READ_SLACK
  }

  /** @param {string} path @param {boolean} [looking] whether nothing is changed and no file is read */
  #check(path, looking = false) {
    if (++this.#operations > OPERATION_LIMIT)
      this.#fail(`asks the file system more than ${OPERATION_LIMIT} times`)
    const names = path.split('/')
    const isInside = this.#roots.some((root) => path === root || path.startsWith(`${root}/`))
    const isPlain = !names.includes('..') && !names.includes('.') && !path.includes('\0')
    if (!isPlain || !(isInside || (looking && STORE_PATH.startsWith(path))))
      this.#fail(`reaches for ${JSON.stringify(path)}`)
    return path
  }

  /** @param {string} what @returns {never} */
  #fail(what) {
    this.finding ??= new Finding(what)
    throw this.finding
  }

  /** @param {import('../dist/env/file-system.js').File} file @returns {import('../dist/env/file-system.js').File} */
  #guarded(file) {
    const bounded = (/** @type {Uint8Array} */ target) => {
      if (++this.#operations > OPERATION_LIMIT)
        this.#fail(`asks the file system more than ${OPERATION_LIMIT} times`)
      if (target.length > this.#largest) this.#fail(`wants to read ${target.length} bytes at once`)
      return target
    }
    return {
      readSync: (target, position) => file.readSync(bounded(target), position),
      read: (target, position) => file.read(bounded(target), position),
      writeSync: (source, position) => {
        this.#largest = Math.max(this.#largest, position + source.length + READ_SLACK)
        return file.writeSync(source, position)
      },
      sync: () => file.sync(),
      syncSync: () => file.syncSync(),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      size: () => file.size(),
      close: () => file.close(),
      closeSync: () => file.closeSync(),
    }
  }

  /** @param {string} path @param {import('../dist/env/file-system.js').OpenMode} mode */
  async open(path, mode) {
    return this.openSync(path, mode)
  }

  /** @param {string} path @param {import('../dist/env/file-system.js').OpenMode} mode */
  openSync(path, mode) {
    return this.#guarded(this.#below.openSync(this.#check(path), mode))
  }

  /** @param {string} from @param {string} to */
  rename(from, to) {
    return this.#below.rename(this.#check(from), this.#check(to))
  }

  /** @param {string} path */
  unlink(path) {
    return this.#below.unlink(this.#check(path))
  }

  /** @param {string} existing @param {string} created */
  link(existing, created) {
    return this.#below.link(this.#check(existing), this.#check(created))
  }

  /** @param {string} path */
  mkdir(path) {
    return this.#below.mkdir(this.#check(path))
  }

  /** @param {string} path */
  rmdir(path) {
    return this.#below.rmdir(this.#check(path))
  }

  /** @param {string} path */
  readdir(path) {
    return this.#below.readdir(this.#check(path))
  }

  /** @param {string} path */
  stat(path) {
    return this.#below.stat(this.#check(path, true))
  }

  /** @param {string} path */
  syncDir(path) {
    return this.#below.syncDir(this.#check(path, true))
  }

  /** @param {string} path */
  lock(path) {
    return this.#below.lock(this.#check(path))
  }

  /** @param {string} path */
  lockHolder(path) {
    return this.#below.lockHolder(this.#check(path))
  }
}
