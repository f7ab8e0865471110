/** Unpacks the tar archives that GNU tar writes: files, directories, symlinks, long names. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';

const BLOCK_BYTES = 512;

/** Where the fields of a header lie (POSIX ustar). */
const NAME = [0, 100] as const;
const SIZE = [124, 136] as const;
const TYPE = [156, 157] as const;
const LINK = [157, 257] as const;

/** Unpacks `archive` into `directory`. */
export async function unpackTar(archive: Uint8Array, directory: string): Promise<void> {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.length);
  const text = (offset: number, [start, end]: readonly [number, number]) =>
    bytes
      .toString('utf8', offset + start, offset + end)
      .split('\0', 1)
      .join('');
  let longName: string | undefined;
  let offset = 0;
  while (text(offset, NAME) !== '') {
    const size = Number.parseInt(text(offset, SIZE), 8);
    const type = text(offset, TYPE);
    const content = bytes.subarray(offset + BLOCK_BYTES, offset + BLOCK_BYTES + size);
    const name = longName ?? text(offset, NAME);
    const target = resolve(directory, name);
    if (!`${target}${sep}`.startsWith(`${resolve(directory)}${sep}`)) {
      throw new Error(`a tar entry leads out: ${name}`);
    }
    longName = undefined;
    if (type === 'L') {
      longName = content.toString('utf8').split('\0', 1).join('');
    } else if (type === '5') {
      await mkdir(target, { recursive: true });
    } else {
      await mkdir(dirname(target), { recursive: true });
      if (type === '2') await symlink(text(offset, LINK), target);
      else if (type === '0' || type === '') await writeFile(target, content);
      else throw new Error(`a tar entry of type ${type}: ${name}`);
    }
    offset += BLOCK_BYTES + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
  }
}
