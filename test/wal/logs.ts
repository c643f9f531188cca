/** Logs to test with: what a store would do with one, without the store. */
import { dirname } from 'node:path'
import { fileSalt } from '../../src/base/checksum.js'
import { Kind } from '../../src/base/entry.js'
import { parseFileName } from '../../src/base/file-names.js'
import type { FileSystem } from '../../src/env/file-system.js'
import { RecordReader } from '../../src/record/record-reader.js'
import { GroupBuffer } from '../../src/wal/group-buffer.js'
import { OperationReader } from '../../src/wal/operation.js'
import { type Replayed, type ReplaySettings, replay } from '../../src/wal/replay.js'
import { Wal } from '../../src/wal/wal.js'

export const directory = '/db'
export const databaseId = Uint8Array.from({ length: 16 }, (_, i) => i * 17 + 1)

/** A group of one operation for each text: `key=value` puts, `key` deletes. */
export function groupOf(...operations: string[]): GroupBuffer {
  const group = new GroupBuffer()
  for (const operation of operations) {
    const [key, value] = operation.split('=')
    if (value === undefined) group.add(Kind.delete, Buffer.from(key))
    else group.add(Kind.put, Buffer.from(key), Buffer.from(value))
  }
  return group
}

/** Each operation as `sequence:key=value`, or `sequence:key` for a delete. */
export function textsOf(first: number, bytes: Uint8Array, start: number, end: number): string[] {
  const texts: string[] = []
  const reader = new OperationReader().reset(bytes, start, end)
  while (reader.next()) {
    const key = Buffer.from(bytes.subarray(reader.keyStart, reader.keyEnd)).toString('latin1')
    const value = Buffer.from(bytes.subarray(reader.valueStart, reader.valueEnd)).toString('latin1')
    texts.push(`${first + texts.length}:${reader.kind === Kind.delete ? key : `${key}=${value}`}`)
  }
  return texts
}

/** The numbers of the segments in the directory, if it is there. */
export async function numbersIn(fileSystem: FileSystem): Promise<number[]> {
  const numbers: number[] = []
  if ((await fileSystem.stat(directory)) === undefined) return numbers
  for (const name of await fileSystem.readdir(directory)) {
    const parsed = parseFileName(name)
    if (parsed?.kind === 'wal') numbers.push(parsed.number)
  }
  return numbers.sort((a, b) => a - b)
}

/** Replays the log in `directory`; `operations` are those of `textsOf`. */
export async function replayAll(
  fileSystem: FileSystem,
  settings: Partial<ReplaySettings> = {},
): Promise<Replayed & { operations: string[]; counts: number }> {
  const operations: string[] = []
  let counts = 0
  const numbers = await numbersIn(fileSystem)
  const all = { fileSystem, directory, databaseId, numbers, fromSequence: 0, ...settings }
  const replayed = await replay(all, (first, count, bytes, start, end) => {
    operations.push(...textsOf(first, bytes, start, end))
    counts += count
  })
  return { ...replayed, operations, counts }
}

/** A log as a store opens it: replayed, and begun anew. */
export async function openLog(
  fileSystem: FileSystem,
  settings: { segmentSize?: number; fromSequence?: number } = {},
): Promise<{ wal: Wal; replayed: Replayed; operations: string[] }> {
  await fileSystem.mkdir(directory)
  await fileSystem.syncDir('/')
  const { fromSequence = 0, segmentSize = 1 << 20 } = settings
  const replayed = await replayAll(fileSystem, { fromSequence })
  let last = Math.max(0, ...(await numbersIn(fileSystem)))
  const nextNumber = () => ++last
  const wal = await Wal.create(
    { fileSystem, directory, databaseId, segmentSize },
    { ...replayed, number: nextNumber() },
    nextNumber,
  )
  return { wal, replayed, operations: replayed.operations }
}

/** All bytes of a file. */
export function contentOf(fileSystem: FileSystem, path: string): Uint8Array {
  const file = fileSystem.openSync(path, 'read')
  const bytes = new Uint8Array(1 << 20)
  const length = file.readSync(bytes, 0)
  file.closeSync()
  return bytes.slice(0, length)
}

/** Makes `bytes` all of the file at `path`, durably. */
export async function putFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const there = (await fileSystem.stat(path)) !== undefined
  const file = await fileSystem.open(path, there ? 'modify' : 'create')
  await file.truncate(0)
  file.writeSync(bytes, 0)
  await file.sync()
  await file.close()
  await fileSystem.syncDir(dirname(path))
}

/** Where each record of a segment begins, and where the last one ends. */
export function recordOffsets(bytes: Uint8Array, number: number): number[] {
  const reader = new RecordReader(bytes, fileSalt(databaseId, number), 'segment')
  const offsets = [0]
  while (reader.next() === 'record') offsets.push(reader.nextOffset)
  return offsets
}
