import { test } from 'vitest'
import { explore, TIMEOUT_MS } from './explore.js'
import { bufferKeys } from './key-space.js'

test(
  'a store comes back from crashes in the middle of everything with all that it promised',
  { timeout: TIMEOUT_MS },
  () => explore('test/model/crashes.test.ts', bufferKeys, { crash: 8, reopen: 2, iterate: 1 }, 110),
)
