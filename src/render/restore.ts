/**
 * castore → file system.
 *
 * Everything is made in a new directory beside the target that nobody else may enter, and moved to
 * the target when it is complete; so the target is there wholly or not at all. That directory is held
 * open and reached through what is open and not by its name, where the system can (Linux): whoever may
 * write beside the target can put a symlink in its place, and gains nothing. Below it only directories
 * are entered that were made here, files are opened with `O_EXCL | O_NOFOLLOW`, and names come from
 * castore, which holds none with a slash: nothing is ever written elsewhere.
 *
 * Modes are those of any program that makes files: 0666 for files, 0777 for executables and
 * directories, less the umask. Nix's own 0444 and 0555 are for its store, which this is not. Times
 * and owners are left to the system.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, rename, rm, rmdir, stat, symlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { displayBytes, utf8 } from '../bytes.ts';
import type { Node } from '../castore/node.ts';
import { NarthexError } from '../errors.ts';
import { checkEmptyFile } from './blobErrors.ts';
import type { DirectorySource } from './fetchDirectory.ts';
import { NarLayout, type NarStep } from './layout.ts';
import type { MeasureOptions } from './measure.ts';
import { displayPlace } from './place.ts';
import { type BlobSource, readContents } from './readContents.ts';

const FILE_MODE = 0o666;
const EXECUTABLE_MODE = 0o777;
const PRIVATE_MODE = 0o700;
const ANY_ACCESS = 0o777;
const CREATE_FILE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

const SLASH = 0x2f;
/** Random bytes of a temporary name: nobody has made it before. */
const TEMPORARY_NAME_BYTES = 12;
const ROOT_NAME = utf8('root');

/** Options of {@link restore}. */
export interface RestoreOptions extends MeasureOptions {
  readonly blobService: BlobSource;
  readonly directoryService: DirectorySource;
}

/**
 * Writes a node to `target`, where nothing may be yet; the directory it is to lie in must be there.
 * @param target a path; as bytes where it is not UTF-8
 * @throws LIMIT_EXCEEDED before anything is written (`narEntries`, `narBytes`, `narDepth`)
 * @throws RESTORE_FAILED with `target`, and `path` inside it: something is there already, the file
 *   system takes two names for the same or refuses one, no space, no permission
 * @throws DIRECTORY_MISSING, BLOB_MISSING, NODE_INVALID with `path`
 */
export async function restore(
  node: Node,
  target: string | Uint8Array,
  options: RestoreOptions,
): Promise<void> {
  const { signal } = options;
  const layout = await NarLayout.of(node, options.directoryService, options);
  const targetPath = absolutePath(target);
  const shown = displayBytes(targetPath);
  await attempt(shown, '/', () => refuseExisting(targetPath));
  const temporary = temporaryBeside(targetPath);
  await attempt(shown, '/', () => mkdir(temporary, { mode: PRIVATE_MODE }));
  try {
    await using held = await attempt(shown, '/', () => hold(temporary));
    const root = join(held.path, ROOT_NAME);
    const directories: Buffer[] = [];
    for await (const step of layout.steps(undefined, { signal })) {
      signal?.throwIfAborted();
      if (step.type === 'directoryEnd') {
        directories.pop();
        continue;
      }
      const parent = directories.at(-1);
      const path = parent === undefined ? root : join(parent, step.name);
      await attempt(shown, displayPlace(step.place), () => make(step, path, options));
      if (step.type === 'directory') directories.push(path);
    }
    await attempt(shown, '/', async () => {
      await refuseExisting(targetPath);
      await rename(root, targetPath);
      await rmdir(temporary);
    });
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** A directory that is held open, and a path that leads to it whatever stands at its name by now. */
interface HeldDirectory extends AsyncDisposable {
  readonly path: Buffer;
}

/** Where Linux shows what a process has open. */
const OPEN_FILES = '/proc/self/fd';

/** Holds the directory that was made at `path`. */
async function hold(path: Buffer): Promise<HeldDirectory> {
  const directory = await open(
    path,
    constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW,
  );
  try {
    const made = await directory.stat();
    if (made.uid !== process.geteuid?.() || (made.mode & ANY_ACCESS) !== PRIVATE_MODE) {
      throw Object.assign(new Error('another directory was put in its place'), { code: 'EEXIST' });
    }
    const byNumber = `${OPEN_FILES}/${directory.fd}`;
    // elsewhere than on Linux, and where /proc is not there, its name has to do
    const isReachable = await stat(`${byNumber}/.`).then(
      ({ dev, ino }) => dev === made.dev && ino === made.ino,
      () => false,
    );
    return {
      path: isReachable ? Buffer.from(byNumber) : path,
      [Symbol.asyncDispose]: () => directory.close(),
    };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Makes one node at `path`, of a directory only itself. */
async function make(
  step: Exclude<NarStep, { type: 'directoryEnd' }>,
  path: Buffer,
  options: RestoreOptions,
): Promise<void> {
  switch (step.type) {
    case 'directory':
      await mkdir(path);
      break;
    case 'symlink':
      await symlink(Buffer.from(step.node.target), path);
      break;
    case 'file': {
      const { node, place } = step;
      checkEmptyFile(node, place);
      await using file = await open(
        path,
        CREATE_FILE,
        node.executable ? EXECUTABLE_MODE : FILE_MODE,
      );
      if (node.size === 0) break;
      const range = { node, place, offset: 0, length: node.size };
      // each is written before the next is asked for
      const lent = { signal: options.signal, lentPieces: true };
      for await (const chunk of readContents(options.blobService, range, lent)) {
        await file.writeFile(chunk);
      }
    }
  }
}

async function refuseExisting(path: Buffer): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return;
    throw error;
  }
  throw Object.assign(new Error('something is there already'), { code: 'EEXIST' });
}

/** Runs what touches the file system, and names the place when that fails. */
async function attempt<T>(target: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const where = path === '/' ? target : `${path} below ${target}`;
    const reason =
      error.code === 'EEXIST' && path !== '/'
        ? 'this file system takes its name for that of another entry'
        : error.message;
    throw new NarthexError(
      'RESTORE_FAILED',
      `${where} could not be written: ${reason}`,
      { target, path, systemCode: error.code },
      error,
    );
  }
}

/** Whether an error comes from the operating system, or is put like one. */
function isSystemError(error: unknown): error is Error & { readonly code: string } {
  return (
    error instanceof Error &&
    !(error instanceof NarthexError) &&
    'code' in error &&
    typeof error.code === 'string' &&
    /^E[A-Z0-9]+$/.test(error.code)
  );
}

/** Absolute, so that a change of the working directory meanwhile changes nothing. */
function absolutePath(path: string | Uint8Array): Buffer {
  if (typeof path === 'string') return Buffer.from(resolve(path));
  const bytes = Buffer.from(path);
  const absolute = bytes[0] === SLASH ? bytes : join(Buffer.from(resolve()), bytes);
  let end = absolute.length;
  while (end > 1 && absolute[end - 1] === SLASH) end -= 1;
  return absolute.subarray(0, end);
}

/** A new name in the directory of `path`: on the same file system, so that a rename is enough. */
function temporaryBeside(path: Buffer): Buffer {
  const name = `.narthex-restore-${randomBytes(TEMPORARY_NAME_BYTES).toString('hex')}`;
  return Buffer.concat([path.subarray(0, path.lastIndexOf(SLASH) + 1), Buffer.from(name)]);
}

function join(directory: Buffer, name: Uint8Array): Buffer {
  return Buffer.concat([directory, Buffer.of(SLASH), name]);
}
