/**
 * A link between two threads of one process: messages in order, answers to calls, and word when the other end is gone.
 *
 * A thread that has something to offer listens under a name; any other thread that knows the name and the thread's id
 * connects. A message can also be taken while the thread waits (`receive`), which is what a synchronous reader needs to see what
 * was sent before.
 */

import type { MessagePort, TransferListItem } from 'node:worker_threads'
import * as threads from 'node:worker_threads'
import { VarveError } from '../base/errors.js'
import { decodeError, encodeError, type TransferredError } from './error-transfer.js'

/** Answers calls by their names. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>

/** How a thread asks to be linked. */
interface Greeting {
  readonly varveLink: string
  readonly port: MessagePort
}

type Letter =
  | { readonly call: number; readonly name: string; readonly argument: unknown }
  | { readonly answerTo: number; readonly value?: unknown; readonly error?: TransferredError }
  | { readonly note: string; readonly argument: unknown }

/** What listens in this thread, by name. */
const listeners = new Map<string, (link: ThreadLink) => void>()

export class ThreadLink {
  readonly #port: MessagePort
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>()
  /** Answers that are being worked out. */
  readonly #answering = new Set<Promise<void>>()
  #nextCall = 0
  #isOpen = true
  /** What the other end may call; a call's answer may be a promise. */
  calls: Calls = {}
  /** What the other end may tell. */
  notes: Calls = {}
  /** The other end has closed the link, or its thread has ended. */
  onClose: (() => void) | undefined

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', (letter: Letter) => this.#take(letter))
    port.on('close', () => this.#closed())
    port.unref()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Tells the other end something. What is transferred is gone here. */
  tell(note: string, argument: unknown, transfer: readonly TransferListItem[] = []): void {
    this.#post({ note, argument }, transfer)
  }

  /** Calls the other end; the thread is kept alive until the answer is there. Rejects with what is thrown there. */
  call<T>(name: string, argument?: unknown, transfer: readonly TransferListItem[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.#isOpen) throw gone()
      const call = this.#nextCall++
      try {
        this.#post({ call, name, argument }, transfer)
      } catch (error) {
        throw new VarveError('INVALID_ARGUMENT', `What ${name} was given cannot be sent to another thread.`, {
          cause: error,
        })
      }
      if (this.#waiting.size === 0) this.#port.ref()
      this.#waiting.set(call, { resolve: resolve as (value: unknown) => void, reject })
    })
  }

  /** Takes one message now, if one has arrived, without waiting for the event loop. */
  receive(): boolean {
    const received = threads.receiveMessageOnPort(this.#port)
    if (received === undefined) return false
    this.#take(received.message as Letter)
    return true
  }

  /** Closes the link when all calls of the other end are answered. */
  async finish(): Promise<void> {
    await Promise.all(this.#answering)
    this.close()
  }

  /** Idempotent. Calls that have no answer yet reject. */
  close(): void {
    this.#port.close()
    this.#closed()
  }

  #post(letter: Letter, transfer: readonly TransferListItem[]): void {
    if (this.#isOpen) this.#port.postMessage(letter, transfer)
  }

  #take(letter: Letter): void {
    if ('note' in letter) this.notes[letter.note]?.(letter.argument as never)
    else if ('call' in letter) {
      const answering = this.#answer(letter.call, letter.name, letter.argument)
      this.#answering.add(answering)
      void answering.finally(() => this.#answering.delete(answering))
    } else this.#settle(letter.answerTo, letter.value, letter.error)
  }

  async #answer(call: number, name: string, argument: unknown): Promise<void> {
    try {
      this.#post({ answerTo: call, value: await this.calls[name](argument as never) }, [])
    } catch (error) {
      this.#post({ answerTo: call, error: encodeError(error) }, [])
    }
  }

  #settle(call: number, value: unknown, error: TransferredError | undefined): void {
    const caller = this.#waiting.get(call)
    if (!this.#waiting.delete(call)) return
    if (this.#waiting.size === 0) this.#port.unref()
    if (error === undefined) caller?.resolve(value)
    else caller?.reject(decodeError(error))
  }

  #closed(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    for (const { reject } of this.#waiting.values()) reject(gone())
    this.#waiting.clear()
    this.onClose?.()
  }
}

/** Lets other threads connect under `name`, until the function that it returns is called. */
export function listen(name: string, onLink: (link: ThreadLink) => void): () => void {
  if (listeners.size === 0) process.on('workerMessage', welcome)
  listeners.set(name, onLink)
  return () => {
    if (listeners.delete(name) && listeners.size === 0) process.off('workerMessage', welcome)
  }
}

/** This thread, as {@link connect} wants it. */
export function thisThread(): number {
  return threads.threadId
}

/** Connects to who listens under `name` in a thread. When nobody does, the first call rejects with `CLOSED`. */
export function connect(threadId: number, name: string): ThreadLink {
  const { port1, port2 } = new threads.MessageChannel()
  const greeting: Greeting = { varveLink: name, port: port2 }
  const link = new ThreadLink(port1)
  if (threadId === threads.threadId) {
    welcome(greeting)
  } else if (typeof threads.postMessageToThread === 'function') {
    // Not awaited: that alone would not keep the thread alive, a call that waits for its answer does.
    threads.postMessageToThread(threadId, greeting, [port2]).catch(() => link.close())
  } else {
    throw new VarveError(
      'INVALID_ARGUMENT',
      'Sharing a store with another thread needs Node 20.19, 22.5 or newer.',
    )
  }
  return link
}

function welcome(greeting: unknown): void {
  if (typeof greeting !== 'object' || greeting === null || !('varveLink' in greeting)) return
  const { varveLink, port } = greeting as Greeting
  const onLink = listeners.get(varveLink)
  if (onLink === undefined) port.close()
  else onLink(new ThreadLink(port))
}

function gone(): VarveError {
  return new VarveError(
    'CLOSED',
    'The thread that shares the store has closed it, or has ended. Attach to one that is open.',
  )
}
