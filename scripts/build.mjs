/**
 * Makes `dist` anew: bundles of `src`, the declarations of its modules, and programs that can be executed.
 *
 *     npm run build
 *
 * Node's loader resolves files one by one, in the program and in each of its worker threads, so it starts sooner with few
 * (docs/performance.md, "Starting"). What is imported lazily stays apart, and packages stay where they are.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const EXECUTABLE = 0o755;

/** Where what several bundles need goes: two levels down, like `src/cli`, which has paths relative to itself. */
const CHUNKS = 'chunks';

const root = fileURLToPath(new URL('..', import.meta.url));
const { bin, engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(join(root, 'dist'), { recursive: true, force: true });

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

await using bundles = await rolldown({
  input: {
    index: join(root, 'src/index.ts'),
    'cli/main': join(root, 'src/cli/main.ts'),
    // beside the chunk of src/workers/workerThread.ts, which looks for it there
    [`${CHUNKS}/worker`]: join(root, 'src/workers/worker.ts'),
  },
  platform: 'node',
  external: /^[^./]/,
  tsconfig: join(root, 'tsconfig.build.json'),
  transform: { target: `node${engines.node.replace('>=', '')}` },
  onLog(level, { message }) {
    if (level === 'warn') throw new Error(message);
  },
});
await bundles.write({
  dir: join(root, 'dist'),
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: `${CHUNKS}/[name].js`,
  // people read stack traces
  minify: false,
  keepNames: true,
});

for (const [name, path] of Object.entries(bin)) {
  const file = join(root, path);
  if (!readFileSync(file, 'utf8').startsWith('#!/usr/bin/env node\n')) {
    throw new Error(`${path}, the program ${name}, does not begin with #!/usr/bin/env node`);
  }
  chmodSync(file, EXECUTABLE);
}
