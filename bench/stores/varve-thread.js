/** A worker thread that reads a shared store: warms up, says so, waits for the signal, reads every key once, says so. */
import { parentPort, workerData } from 'node:worker_threads'

const { attach } = await import(new URL('../../dist/index.js', import.meta.url).href)
const { handle, keys, valueLength, signal } = workerData
const store = await attach(handle)

const readAll = () => {
  for (const key of keys) {
    const value = store.getSync(key)
    if (value?.length !== valueLength) throw new Error(`Wrong answer: no value of ${key}.`)
  }
}

readAll()
parentPort?.postMessage('ready')
Atomics.wait(signal, 0, 0)
readAll()
parentPort?.postMessage('done')
await store.close()
