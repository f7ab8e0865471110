import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from './temporaryDirectory.ts';

it('a temporary directory goes with all that is in it', async () => {
  let path: string;
  {
    await using directory = await temporaryDirectory();
    path = directory.path;
    const inside = Buffer.concat([Buffer.from(`${path}/`), Buffer.of(0xff)]);
    await mkdir(inside);
    await writeFile(Buffer.concat([inside, Buffer.from('/'), Buffer.of(0xfe)]), 'x');
    await mkdir(join(path, 'read-only'));
    await writeFile(join(path, 'read-only/file'), 'x');
    await chmod(join(path, 'read-only'), 0o555);
    await chmod(inside, 0o555);
  }
  expect(existsSync(path)).toBe(false);
});
