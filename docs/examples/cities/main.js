/**
 * A tour of Varve over the cities of the world: load, ask, crash, look inside.
 *
 *     npm start
 *
 * Everything happens in a temporary directory, which is gone at the end.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { open, WriteBatch } from 'varve'
import { cities, cityKey, cityValue, encodings, populationKey } from './cities.js'
import {
  bar,
  bold,
  chapter,
  dim,
  green,
  mebibytes,
  number,
  perSecond,
  progress,
  red,
  say,
  table,
} from './screen.js'

const BATCH_SIZE = 500
/** The child is killed after so many acknowledged writes, at a moment of chance. */
const KILL_AFTER = 20_000 + Math.floor(Math.random() * 20_000)

const directory = mkdtempSync(join(tmpdir(), 'varve-cities-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
process.once('SIGINT', () => process.exit(130))

/** The rates, gathered on the way for the end. */
const rates = [['', 'how many', 'rate']]
const rated = (what, count, ms) => rates.push([what, number(count), perSecond(count, ms)])

/** The result of `work` and how many milliseconds it took. */
async function timed(work) {
  const startedAt = performance.now()
  const result = await work()
  return { result, ms: performance.now() - startedAt }
}

/** Every city twice: under its own key, and in the index by population. A batch holds both or neither. */
async function load(store) {
  chapter(
    'Load',
    `${number(cities.length)} cities, each with an index entry, in batches of ${number(BATCH_SIZE)}`,
  )
  const line = progress(cities.length * 2, 'entries')
  const batch = new WriteBatch()
  const { ms } = await timed(async () => {
    for (let done = 0; done < cities.length; done += BATCH_SIZE) {
      batch.clear()
      for (const city of cities.slice(done, done + BATCH_SIZE)) {
        batch.set(cityKey(city), cityValue(city))
        batch.set(populationKey(city), cityKey(city))
      }
      await store.applyBatch(batch)
      line.update(Math.min(done + BATCH_SIZE, cities.length) * 2)
    }
  })
  line.stop()
  rated('writes, in batches', cities.length * 2, ms)
}

/** One key: the whole array. */
async function oneCity(store) {
  chapter('One city', "get(['city', 'CH', 'ZH', 'Zürich', 2657896])")
  const city = await store.get(['city', 'CH', 'ZH', 'Zürich', 2657896])
  say(`${bold(city.name)}, ${number(city.population)} people, ${city.latitude}° N ${city.longitude}° E`)
}

/** A prefix of an array: everything that begins with these elements. */
async function oneCountry(store) {
  chapter('One country', "count and entries({ prefix: ['city', 'IS'], limit: 5 })")
  const prefix = ['city', 'IS']
  say(`Iceland has ${bold(number(await store.count({ prefix })))} places; the first five:`)
  for await (const [[, , province, name], city] of store.entries({ prefix, limit: 5 })) {
    say(`${dim(province)}  ${name} (${number(city.population)})`)
  }
}

/** A range of the index, from its upper end. */
async function largest(store) {
  chapter('The hundred largest', 'between one and ten million people: the index backwards, limit 100')
  const range = {
    gte: ['by-population', 1_000_000],
    lt: ['by-population', 10_000_000],
    reverse: true,
    limit: 100,
  }
  const { result: found, ms } = await timed(async () => {
    // The index holds the keys of the cities; all hundred are fetched at once.
    const keys = await store.values(range).all()
    return store.getMany(keys)
  })
  table([
    ['', 'city', 'country', 'people'],
    ...found.slice(0, 8).map((city, i) => [String(i + 1), city.name, city.country, number(city.population)]),
  ])
  const last = found.at(-1)
  say(
    dim(
      `… and ${found.length - 8} more, down to ${last.name} with ${number(last.population)}; ${ms.toFixed(1)} ms`,
    ),
  )
}

/** Scans: the synchronous iterator is the fastest, and costs no promise per entry. */
async function scan(store) {
  chapter('All of them, forwards and backwards', "entries({ prefix: ['city'], reverse: true })")
  for (const reverse of [false, true]) {
    let count = 0
    let lastName = ''
    const { ms } = await timed(() => {
      for (const [key, city] of store.entries({ prefix: ['city'], reverse })) {
        lastName = `${city.name} (${key[1]})`
        count++
      }
    })
    say(
      `${reverse ? 'backwards' : 'forwards '}  ${number(count)} cities, the last is ${bold(lastName)}  ${dim(perSecond(count, ms))}`,
    )
    rated(reverse ? 'entries, scanned backwards' : 'entries, scanned', count, ms)
  }
}

/** Single reads in random order. */
async function randomReads(store) {
  const keys = Array.from({ length: 50_000 }, () =>
    cityKey(cities[Math.floor(Math.random() * cities.length)]),
  )
  const { ms: syncMs } = await timed(() => {
    for (const key of keys) store.getSync(key)
  })
  rated('reads, getSync, random', keys.length, syncMs)
  const { ms } = await timed(async () => {
    for (const key of keys) await store.get(key)
  })
  rated('reads, get, random', keys.length, ms)
}

/** Starts the loader, kills it in the middle, and resolves to how many writes it had heard to be safe. */
async function loadAndKill(path) {
  const loader = fileURLToPath(new URL('loader.js', import.meta.url))
  const child = spawn(process.execPath, [loader, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  process.on('exit', () => child.kill('SIGKILL'))
  const exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  let acknowledged = 0
  let startedAt = 0
  let ms = 0
  for await (const line of createInterface({ input: child.stdout })) {
    // A killed process may leave half a line; numbers only grow, so half a number is a smaller one.
    acknowledged = Math.max(acknowledged, Number(line))
    startedAt ||= performance.now()
    if (acknowledged >= KILL_AFTER && !child.killed) {
      ms = performance.now() - startedAt
      child.kill('SIGKILL')
    }
  }
  const ended = await exited
  if (ended !== 'SIGKILL') throw new Error(`The loader was to be killed, but ended with ${ended}.`)
  return { acknowledged, ms }
}

/** What the store said was safe must be there after the crash: every record, with its value. */
async function crash() {
  chapter('A crash', 'a second process writes one record at a time, and is killed with SIGKILL in the middle')
  const path = join(directory, 'crashed')
  const { acknowledged, ms } = await loadAndKill(path)
  say(
    `killed      after ${bold(number(acknowledged))} acknowledged writes  ${dim(perSecond(KILL_AFTER, ms))}`,
  )
  rated('writes, each awaited, in the other process', KILL_AFTER, ms)

  const { result: store, ms: openMs } = await timed(() => open(path, encodings))
  say(`reopened    ${number(openMs)} ms, log replayed`)
  let missing = 0
  for (const city of cities.slice(0, acknowledged)) {
    if (!isDeepStrictEqual(await store.get(cityKey(city)), cityValue(city))) missing++
  }
  const count = await store.count()
  await store.close()
  const verdict = missing === 0 ? green('✔ none is missing') : red(`✘ ${number(missing)} are missing`)
  const extra = count - (acknowledged - missing)
  const onItsWay = extra > 0 ? dim(` (and ${number(extra)} more: written, but not yet heard of)`) : ''
  say(
    `checked     ${number(acknowledged)} acknowledged, ${number(acknowledged - missing)} found  ${bold(verdict)}${onItsWay}`,
  )
  return missing
}

/** Where the entries are now: the memtable on top, older and larger layers below it. */
function layers(store) {
  chapter('Inside', 'newest at the top; each level holds what sank from the one above')
  const { levels, memtable } = store.stats()
  const filled = levels.filter(({ tables }) => tables > 0)
  const most = Math.max(memtable.bytes, ...filled.map(({ bytes }) => bytes))
  const line = (name, bytes, what) =>
    say(`${name.padEnd(9)} ${bar(bytes, most).padEnd(32)} ${mebibytes(bytes).padStart(9)}  ${dim(what)}`)
  line('memtable', memtable.bytes, 'in memory, and in the log')
  for (const { level, tables, bytes } of filled)
    line(`level ${level}`, bytes, `${tables} ${tables === 1 ? 'table' : 'tables'}`)
}

console.log(bold('\nVarve: the cities of the world'))
const startedAt = performance.now()
const store = await open(join(directory, 'cities'), encodings)
await load(store)
await oneCity(store)
await oneCountry(store)
await largest(store)
await scan(store)
await randomReads(store)
const missing = await crash()
layers(store)
chapter('Rates', 'on this machine, just now')
table(rates)
await store.close()
console.log()
say(
  dim(
    `${((performance.now() - startedAt) / 1000).toFixed(1)} s in all. The temporary directory is gone; the code is in docs/examples/cities.`,
  ),
)
process.exitCode = missing === 0 ? 0 : 1
