/**
 * `npm run load:gc -- [--clients 50] [--seconds 120]`: collects garbage under load, and tells what came of it as JSON.
 * Ends with 1 if anything went wrong: an answer that was refused, broken off or wrong, an exit code. The
 * suite has a short run of the same.
 */
import { parseArgs } from 'node:util';
import { gcUnderLoad } from './gcUnderLoad.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '120' },
  },
});
const options = { clients: Number(values.clients), seconds: Number(values.seconds) };
const counts = await gcUnderLoad(options);
process.stdout.write(`${JSON.stringify({ ...options, ...counts }, undefined, 2)}\n`);
if (counts.errors.length > 0) process.exitCode = 1;
