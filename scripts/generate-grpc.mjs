/**
 * Makes src/grpc/gen out of proto/, formatted as everything else.
 *
 *     npm run generate
 */
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = join(root, 'node_modules', '.bin');

/** @param {string} program @param {readonly string[]} args */
function run(program, ...args) {
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  const { status, error } = spawnSync(program, args, { cwd: root, env, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

const [output] = process.argv.slice(2);
run(join(bin, 'buf'), 'generate', ...(output === undefined ? [] : ['--output', output]));
if (output === undefined) run(join(bin, 'biome'), 'check', '--write', 'src/grpc/gen');
