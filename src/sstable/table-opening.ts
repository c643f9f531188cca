/**
 * Opening a table: one description of what to read and check, driven by blocking or by asynchronous reads.
 *
 * The tail of the file is read first, in one read with one byte more than the file should have: a small table needs
 * no other, and a file that is longer or shorter than it is known to be is noticed.
 * A damaged filter is reported and done without; any other damage refuses the table.
 */
import { compareKeys } from '../base/bytes.js'
import { fileSalt } from '../base/checksum.js'
import { corruption, VarveError } from '../base/errors.js'
import { Block } from './block.js'
import type { BlockHandle } from './block-handle.js'
import { TableFilter } from './filter.js'
import { checkFooterHandles, decodeFooter, FOOTER_LENGTH, type Footer } from './footer.js'
import { openPhysicalBlock } from './physical-block.js'
import { decodeProperties, type TableProperties } from './properties.js'

const TAIL_BYTES = 32 * 1024

/** Which table is to be opened. */
export interface TableIdentity {
  readonly databaseId: Uint8Array
  readonly number: number
  readonly sizeBytes: number
  readonly path: string
  /** Whether the filter is read. Default true. */
  readonly filter?: boolean | undefined
  /** Called when the table has to do without its filter. */
  readonly onFilterDamage?: ((path: string, error: VarveError) => void) | undefined
}

/** A read that the opening asks its driver for; the driver answers with the bytes, fewer at the end of the file. */
export interface ReadRequest {
  readonly offset: number
  readonly length: number
}

/** What is held of an open table. */
export interface TableContents {
  readonly footer: Footer
  readonly properties: TableProperties
  /** The only index block, or the top of two levels. */
  readonly index: Block
  readonly filter: TableFilter | undefined
  readonly salt: number
}

export function* openTable(identity: TableIdentity): Generator<ReadRequest, TableContents, Uint8Array> {
  const { sizeBytes, path } = identity
  const tailStart = Math.max(0, sizeBytes - TAIL_BYTES)
  const tail = yield { offset: tailStart, length: sizeBytes - tailStart + 1 }
  if (tail.length !== sizeBytes - tailStart) {
    throw corruption(`The SSTable is not ${sizeBytes} bytes long, as it was when it was written`, path)
  }
  const footer = naming(path, sizeBytes - FOOTER_LENGTH, () => checkedFooter(tail, identity))
  const salt = fileSalt(identity.databaseId, identity.number)

  function* payloadOf(handle: BlockHandle): Generator<ReadRequest, Uint8Array, Uint8Array> {
    const at = handle.offset - tailStart
    const bytes =
      at >= 0 ? tail.subarray(at, at + handle.size) : yield { offset: handle.offset, length: handle.size }
    // The tail is not kept, so what lies in it is copied; a read of its own is kept as it is.
    return naming(path, handle.offset, () => openPhysicalBlock(bytes, salt, handle.offset, at < 0))
  }

  const propertiesPayload = yield* payloadOf(footer.properties)
  const properties = naming(path, footer.properties.offset, () =>
    checkedProperties(propertiesPayload, footer),
  )
  const indexPayload = yield* payloadOf(footer.index)
  const index = naming(path, footer.index.offset, () => checkedIndex(indexPayload))
  let filter: TableFilter | undefined
  if (footer.filter.size > 0 && identity.filter !== false) {
    try {
      const filterPayload = yield* payloadOf(footer.filter)
      filter = naming(path, footer.filter.offset, () => new TableFilter(filterPayload))
    } catch (error) {
      if (!(error instanceof VarveError) || error.code !== 'CORRUPTION') throw error
      identity.onFilterDamage?.(path, error)
    }
  }
  return { footer, properties, index, filter, salt }
}

function checkedFooter(tail: Uint8Array, identity: TableIdentity): Footer {
  const footer = decodeFooter(tail.subarray(Math.max(0, tail.length - FOOTER_LENGTH)))
  if (footer.tableNumber !== identity.number || compareKeys(footer.databaseId, identity.databaseId) !== 0) {
    throw new VarveError(
      'CORRUPTION',
      `The file is table ${footer.tableNumber} of another place, not table ${identity.number} of this store.`,
    )
  }
  checkFooterHandles(footer, identity.sizeBytes)
  return footer
}

function checkedProperties(payload: Uint8Array, { filter, index }: Footer): TableProperties {
  const properties = decodeProperties(payload)
  if (compareKeys(properties.smallestKey, properties.largestKey) > 0 || properties.entryCount === 0) {
    throw new VarveError('CORRUPTION', 'The properties tell of a table without entries.')
  }
  const { expiryIndexOffset, expiryIndexSize } = properties
  if (
    expiryIndexOffset !== filter.offset + filter.size ||
    expiryIndexOffset + expiryIndexSize > index.offset
  ) {
    throw new VarveError('CORRUPTION', 'The properties name an expiry index that is not where it must be.')
  }
  return properties
}

function checkedIndex(payload: Uint8Array): Block {
  const index = new Block(payload)
  if (index.count === 0) throw new VarveError('CORRUPTION', 'The index is empty.')
  return index
}

/** Runs `decode`; damage that it finds, or a format that it does not know, gets the place where it is. */
export function naming<T>(path: string, offset: number, decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    if (!(error instanceof VarveError) || error.path !== undefined) throw error
    if (error.code === 'UNSUPPORTED_FORMAT')
      throw new VarveError(error.code, `${error.message} (${path})`, { path, offset })
    if (error.code !== 'CORRUPTION') throw error
    throw corruption(error.message.replace(/\.$/, ''), path, Math.max(0, offset), error.cause)
  }
}
