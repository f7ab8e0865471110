/** From what people write to the binary cache that they mean. */
import { open, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NarthexError } from '../errors.ts';
import { excerpt } from '../excerpt.ts';
import { openDirectoryUpstream } from './directoryUpstream.ts';
import { type HttpUpstreamOptions, openHttpUpstream } from './httpUpstream.ts';
import type { Upstream } from './upstream.ts';

/** What an upstream of any kind is opened with; what a kind has no use for is ignored. */
export interface OpenUpstreamOptions extends HttpUpstreamOptions {}

const HTTP = /^https?:/i;
const FILE = /^file:/i;
const OTHER_SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

const ZIP_SUFFIX = /\.zip$/i;
/** The first local header, or the end record of an archive without files. */
const ZIP_MAGICS = ['PK\x03\x04', 'PK\x05\x06'];
const ZIP_MAGIC_BYTES = 4;

function invalid(address: string, reason: string, cause?: unknown): NarthexError {
  const shown = excerpt(address);
  return new NarthexError('UPSTREAM_URL_INVALID', `'${shown}' ${reason}`, { url: shown }, cause);
}

/**
 * Opens a binary cache:
 *
 *     http://… https://…                       on the web
 *     file://…/cache.zip  dir/cache.zip        in a zip file, also one of another name
 *     file://…  /dir  dir                      in a directory
 *
 * Whether a cache is there is asked later, except that directories and zip files must exist.
 *
 * @throws UPSTREAM_URL_INVALID another scheme, or a file that is no zip file
 * @throws NOT_A_BINARY_CACHE there is no such directory or file
 * @throws ZIP_INVALID | LIMIT_EXCEEDED | UPSTREAM_FAILED for a zip file or directory
 */
export async function openUpstream(
  address: string | URL,
  options: OpenUpstreamOptions = {},
): Promise<Upstream> {
  const text = String(address);
  if (HTTP.test(text)) return openHttpUpstream(text, options);
  if (text === '') throw invalid(text, 'is no address');
  if (!FILE.test(text) && OTHER_SCHEME.test(text)) {
    throw invalid(text.replace(/\/\/[^/]*@/, '//'), 'is not an http, https or file URL');
  }
  const path = FILE.test(text) ? pathOfFileUrl(text) : text;
  if (path.includes('\0')) throw invalid(text, 'is not a path');
  if (!(await isZipFile(path, text))) return openDirectoryUpstream(path, options);
  // few caches are zip files, and reading one takes many modules
  const { openZipUpstream } = await import('./zipUpstream.ts');
  return openZipUpstream(path, options);
}

function pathOfFileUrl(text: string): string {
  try {
    const url = new URL(text);
    // parameters are of no use here, but stores of Nix are written with some
    url.search = '';
    url.hash = '';
    return fileURLToPath(url);
  } catch (error) {
    throw invalid(text, 'is not the URL of a file on this machine', error);
  }
}

async function isZipFile(path: string, address: string): Promise<boolean> {
  const named = ZIP_SUFFIX.test(path);
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) return named; // opening it tells what is wrong
  if (stats.isDirectory()) return false;
  if (!stats.isFile()) throw invalid(address, 'is neither a directory nor a regular file');
  if (named || (await hasZipMagic(path))) return true;
  throw invalid(address, 'is neither a directory nor a zip file');
}

async function hasZipMagic(path: string): Promise<boolean> {
  await using handle = await open(path);
  const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(ZIP_MAGIC_BYTES) });
  return ZIP_MAGICS.includes(buffer.toString('latin1', 0, bytesRead));
}
