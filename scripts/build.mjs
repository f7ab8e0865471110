/**
 * Makes `dist` anew: JavaScript and declarations of `src`, and programs that can be executed.
 *
 *     npm run build
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const EXECUTABLE = 0o755;

const root = fileURLToPath(new URL('..', import.meta.url));
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

rmSync(join(root, 'dist'), { recursive: true, force: true });

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);

for (const [name, path] of Object.entries(bin)) {
  const file = join(root, path);
  if (!readFileSync(file, 'utf8').startsWith('#!/usr/bin/env node\n')) {
    throw new Error(`${path}, the program ${name}, does not begin with #!/usr/bin/env node`);
  }
  chmodSync(file, EXECUTABLE);
}
