/** Opens a store for reading, with the key encoding that it tells; and prints what is in it. */
import { VarveError } from '../../base/errors.js'
import type { KeyEncodingName } from '../../store/encodings/key-encoding.js'
import { open } from '../../store/open.js'
import type { ReadOnlyStore } from '../../store/read-only-store.js'
import { UsageError, type Values } from './arguments.js'
import { shownBytes, toJson } from './printable.js'

const KEY_ENCODINGS: readonly KeyEncodingName[] = ['utf8', 'buffer', 'ordered']

/** Longer values are cut in lines for people. */
const MOST_VALUE_BYTES = 200

/** Opens for reading only: nothing is written, and a writer beside it does not matter. */
export async function openForReading(path: string, values: Values): Promise<ReadOnlyStore<unknown, Buffer>> {
  const wanted = values['key-encoding']
  if (wanted !== undefined) return openWith(path, checkKeyEncoding(wanted))
  for (const name of KEY_ENCODINGS) {
    try {
      return await openWith(path, name)
    } catch (error) {
      // The store says that it was made with another one.
      if (!(error instanceof VarveError) || error.code !== 'INVALID_ARGUMENT' || name === 'ordered')
        throw error
    }
  }
  throw new UsageError('The store has a key encoding of its own.')
}

async function openWith(path: string, keyEncoding: KeyEncodingName): Promise<ReadOnlyStore<unknown, Buffer>> {
  const store = await open(path, { readOnly: true, keyEncoding, valueEncoding: 'buffer' })
  return store as ReadOnlyStore<unknown, Buffer>
}

function checkKeyEncoding(name: string): KeyEncodingName {
  const found = KEY_ENCODINGS.find((one) => one === name)
  if (found === undefined) throw new UsageError(`--key-encoding is one of ${KEY_ENCODINGS.join(', ')}.`)
  return found
}

/** The entries of a range, a line each. Keys of the `'ordered'` encoding and ranges of it are JSON. */
export async function* dumpLines(
  store: ReadOnlyStore<unknown, Buffer>,
  values: Values,
): AsyncGenerator<string> {
  const { prefix, gte, gt, lte, lt } = values
  const bounds = Object.entries({ prefix, gte, gt, lte, lt }).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, keyOf(text, values)]],
  )
  const range = {
    ...Object.fromEntries(bounds),
    reverse: values.reverse === true,
    ...(values.limit === undefined ? {} : { limit: Number(values.limit) }),
    fillCache: false,
  }
  if (values.keys === true) {
    for await (const key of store.keys(range)) {
      yield values.json === true ? `${toJson({ key })}\n` : `${shownKey(key)}\n`
    }
    return
  }
  for await (const [key, value] of store.entries(range)) {
    yield values.json === true
      ? `${toJson({ key, value })}\n`
      : `${shownKey(key)} ${shownBytes(value, MOST_VALUE_BYTES)}\n`
  }
}

/** A bound from the command line: text, or JSON where keys are `'ordered'`. */
function keyOf(text: string, values: Values): unknown {
  if (values['key-encoding'] !== 'ordered') return text
  try {
    return JSON.parse(text)
  } catch {
    throw new UsageError(`Bounds of ordered keys are JSON, which ${JSON.stringify(text)} is not.`)
  }
}

function shownKey(key: unknown): string {
  if (typeof key === 'string') return shownBytes(Buffer.from(key))
  return key instanceof Uint8Array ? shownBytes(key) : shownBytes(Buffer.from(toJson(key)))
}
