/**
 * The process that gets killed: loads the cities one awaited write at a time and says aloud, on its standard output,
 * how many writes the store has acknowledged. Whatever was said aloud must survive.
 */
import { open } from 'varve'
import { cities, cityKey, cityValue, encodings } from './cities.js'

const store = await open(process.argv[2], encodings)

let acknowledged = 0
for (const city of cities) {
  // Durability 'os', the default: the promise resolves once the operating system has the write. From then on it
  // survives `kill -9`. To survive a power cut as well, ask for 'disk'.
  await store.set(cityKey(city), cityValue(city), { durability: 'os' })
  acknowledged++
  // What is still on its way when we are killed, nobody has heard; what has been heard must be there.
  process.stdout.write(`${acknowledged}\n`)
}
await store.close()
