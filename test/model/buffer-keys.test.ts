import { test } from 'vitest'
import { explore, TIMEOUT_MS } from './explore.js'
import { bufferKeys } from './key-space.js'

test('a store with byte strings for keys is its model', { timeout: TIMEOUT_MS }, () =>
  explore('test/model/buffer-keys.test.ts', bufferKeys, { crash: 2, reopen: 1, iterate: 4 }, 80),
)
