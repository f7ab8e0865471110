/** A directory that lives as long as a test. */
import { chmod, lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Removed, with all that is in it, when it is disposed of. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

const SLASH = Buffer.from('/');
const OWNER_ALL = 0o700;

/** Restored store paths have directories without write permission, which only root can empty. */
async function makeWritable(path: Buffer): Promise<void> {
  if (!(await lstat(path)).isDirectory()) return;
  await chmod(path, OWNER_ALL);
  for (const name of await readdir(path, { encoding: 'buffer' })) {
    await makeWritable(Buffer.concat([path, SLASH, name]));
  }
}

/**
 * Makes an empty directory: `await using directory = await temporaryDirectory();`
 * @param label a word in its name, for people who look into a crashed test's leftovers
 */
export async function temporaryDirectory(label = 'test'): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), `narthex-${label}-`));
  return {
    path,
    async [Symbol.asyncDispose]() {
      try {
        await rm(path, { recursive: true, force: true });
      } catch {
        await makeWritable(Buffer.from(path));
        await rm(path, { recursive: true, force: true });
      }
    },
  };
}
