#!/usr/bin/env node
/** The command `varve`: see `varve --help` and docs/repair.md. */
import { run } from './run.js'

// Whoever reads our output may have had enough of it.
process.stdout.on('error', () => process.exit(0))
process.exitCode = await run(process.argv.slice(2), { out: process.stdout, error: process.stderr })
