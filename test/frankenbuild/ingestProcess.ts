/**
 * A process that ingests: `ingestProcess.ts DIRECTORY CACHES STEP`, the last two as JSON. Says `ready`
 * once the store is open, begins when it is told something, and prints what became of each root.
 */
import { once } from 'node:events';
import { Store } from '../../src/store/store.ts';
import { outcomeOf } from '../ingest/serviceHarness.ts';
import { ingestStep } from './ingestStep.ts';
import type { CacheSpec, Step } from './scenario.ts';

const [directory = '', cachesJson = '[]', stepJson = '{}'] = process.argv.slice(2);
const caches: CacheSpec[] = JSON.parse(cachesJson);
const step: Step = JSON.parse(stepJson);

await using store = await Store.open(directory);
const services = {
  blobService: store.blobs,
  directoryService: store.directories,
  pathInfoService: store.pathInfos,
  contentByNarHash: store.contentByNarHash.bind(store),
  recordContent: store.recordContent.bind(store),
  async [Symbol.asyncDispose]() {},
};
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
const { results } = await ingestStep(services, { caches }, step, { findings: store.findings });
process.stdout.write(`${JSON.stringify(results.map(outcomeOf))}\n`);
