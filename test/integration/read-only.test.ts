/** A read-only store in this process beside a writer in another one, both as built. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { builtPackage, inDirectory } from './real-store.js'

const BUILT = new URL('../../dist/index.js', import.meta.url).href
const ROUNDS = 250

/** Writes rounds of batches, each of which leaves a state that tells its round; tells its parent of each. */
function writer(directory: string): string {
  return `
    import { open, WriteBatch } from ${JSON.stringify(BUILT)}
    const store = await open(${JSON.stringify(directory)}, {
      valueEncoding: 'json', memtableSize: 16384, walSegmentSize: 32768, targetFileSize: 16384, level0CompactionTrigger: 2,
    })
    for (let round = 1; round <= ${ROUNDS}; round++) {
      const batch = new WriteBatch().set('first', round).set('last', round)
      for (let i = 0; i < 20; i++) batch.set('key' + ((round * 7 + i) % 100), { round, text: 'x'.repeat(100) })
      batch.set('round' + round, round)
      if (round > 50) batch.delete('round' + (round - 50))
      await store.applyBatch(batch)
      if (round % 90 === 0) await store.compact()
      if (round % 130 === 0) await store.flush()
      if (round % 10 === 0) console.log(round)
    }
    await store.close()
  `
}

test('a reader sees whole batches in order while another process writes, flushes and compacts', async () => {
  const { open } = await builtPackage()
  await inDirectory(async (directory) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', writer(directory)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 60_000,
    })
    let acknowledged = 0
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      acknowledged = Number(text.trim().split('\n').at(-1))
    })
    const ended = once(child, 'close')
    await Promise.race([once(child.stdout, 'data'), ended])
    const reader = await open<string, number>(directory, { valueEncoding: 'json', readOnly: true })
    const seen = new Set<number>()
    let running = true
    void ended.then(() => {
      running = false
    })
    let previous = 0
    while (running) {
      const atLeast = acknowledged
      await reader.refresh()
      const view = reader.view()
      const round = (await view.get('first')) ?? 0
      expect(await view.get('last')).toBe(round)
      expect(round).toBeGreaterThanOrEqual(Math.max(previous, atLeast))
      expect((await view.keys({ prefix: 'round' }).all()).length).toBe(Math.min(round, 50))
      expect(view.getSync(`round${round}`)).toBe(round)
      view.close()
      previous = round
      seen.add(round)
    }
    expect(await ended).toEqual([0, null])
    await reader.refresh()
    expect(await reader.get('last')).toBe(ROUNDS)
    expect(await reader.refresh()).toBe(false)
    expect(seen.size).toBeGreaterThan(5)
    await reader.close()
  })
}, 60_000)

test('an open reader keeps no process alive, and many read one store at once', async () => {
  const { open } = await builtPackage()
  await inDirectory(async (directory) => {
    const store = await open<string, string>(directory, { valueEncoding: 'utf8' })
    await store.set('a', '1')
    const program = `
      import { open } from ${JSON.stringify(BUILT)}
      const reader = await open(${JSON.stringify(directory)}, { readOnly: true, valueEncoding: 'utf8' })
      console.log(await reader.get('a'))
    `
    const runs = Array.from({ length: 3 }, async () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', program], { timeout: 20_000 })
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += chunk
      })
      const [code] = await once(child, 'close')
      return [code, output.trim()]
    })
    expect(await Promise.all(runs)).toEqual([
      [0, '1'],
      [0, '1'],
      [0, '1'],
    ])
    await store.close()
  })
}, 60_000)
