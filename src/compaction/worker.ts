/** The worker thread of a store: serves flush and compaction on Node's file system. */
import { parentPort } from 'node:worker_threads'
import { present } from '../base/assert.js'
import { NodeFileSystem } from '../env/node-file-system.js'
import { serveJobs } from '../env/serve-jobs.js'
import { SystemClock } from '../env/system-clock.js'
import { jobTable } from './jobs.js'

const clock = new SystemClock()
const environment = {
  fileSystem: new NodeFileSystem(),
  pause: () => new Promise<void>((resolve) => clock.nextTurn(resolve)),
}

serveJobs(present(parentPort, 'this module is run by a worker thread'), jobTable(environment))
